#include "metadb/job_file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

namespace tailrace {
namespace {

// Beside the file itself, so that links to one job file lead to one lock; a link may be there before its file.
std::string lock_path(const std::string& job_path) {
  namespace fs = std::filesystem;
  constexpr int kMostLinks = 40;  // as the kernel has it
  std::error_code error;
  fs::path path = job_path;
  for (int links = 0; links < kMostLinks && fs::is_symlink(path, error); ++links) {
    fs::path to = fs::read_symlink(path, error);
    if (error) break;
    path = path.parent_path() / to;
  }
  fs::path real = fs::weakly_canonical(path, error);
  return (error ? job_path : real.string()) + ".lock";
}

std::string read_owner(int descriptor) {
  char text[256];
  ssize_t n = ::pread(descriptor, text, sizeof text, 0);
  std::string owner(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (!owner.empty() && owner.back() == '\n') owner.pop_back();
  return owner;
}

}  // namespace

Result<std::unique_ptr<JobFileLock>> JobFileLock::acquire(const std::string& job_path) {
  std::string path = lock_path(job_path);
  int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return Status(ErrorCode::kMetaOpen, fmt::format("cannot open the lock file: {}", std::strerror(errno))).with("file", path);
  }
  std::unique_ptr<JobFileLock> lock(new JobFileLock(descriptor));
  // A reader that asks who owns the file holds a shared lock for a moment: a few tries tell it from an owner.
  for (int tries = 0; ::flock(descriptor, LOCK_EX | LOCK_NB) != 0;) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) {
      if (++tries < 10) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        continue;
      }
      std::string owner = read_owner(descriptor);
      return Status(ErrorCode::kJobOwned, fmt::format("its owner is {}", owner.empty() ? "not named" : owner))
          .with("file", job_path)
          .with("owner", owner);
    }
    return Status(ErrorCode::kMetaOpen, fmt::format("cannot lock: {}", std::strerror(errno))).with("file", path);
  }
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  std::string owner = fmt::format("{}@{}\n", ::getpid(), host);
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size())) {
    return Status(ErrorCode::kMetaWrite, fmt::format("cannot write the lock file: {}", std::strerror(errno))).with("file", path);
  }
  return lock;
}

std::string JobFileLock::owner_of(const std::string& job_path) {
  int descriptor = ::open(lock_path(job_path).c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return "";
  // A shared lock is granted only when no owner holds the file.
  std::string owner;
  if (::flock(descriptor, LOCK_SH | LOCK_NB) != 0) owner = read_owner(descriptor);
  ::close(descriptor);
  return owner;
}

JobFileLock::~JobFileLock() { ::close(descriptor_); }

}  // namespace tailrace
