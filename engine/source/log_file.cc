#include "source/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "mysql/binlog_event.h"

namespace tailrace {
namespace {

constexpr size_t kReadSize = 1 << 20;
constexpr uint32_t kLargestEvent = (1U << 30) + (1U << 20);  // max_allowed_packet is at most 1 GiB

}  // namespace

LogFile::LogFile(LogFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      offset_(other.offset_),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      end_(other.end_) {}

LogFile& LogFile::operator=(LogFile&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    path_ = std::move(other.path_);
    fd_ = std::exchange(other.fd_, -1);
    offset_ = other.offset_;
    buffer_ = std::move(other.buffer_);
    begin_ = other.begin_;
    end_ = other.end_;
  }
  return *this;
}

LogFile::~LogFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<LogFile> LogFile::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Status(ErrorCode::kSourceFile, std::strerror(errno)).with("file", path);
  LogFile file(path, fd);
  TAILRACE_TRY(size_t have, file.fill(4));
  std::string_view magic(file.buffer_.data(), have < 4 ? have : 4);
  if (magic == std::string_view("\xFD"
                                "bin",
                                4)) {
    return Status(ErrorCode::kSourceUnsupported, "the binary log file is encrypted").with("file", path);
  }
  if (magic != std::string_view("\xFE"
                                "bin",
                                4)) {
    return Status(ErrorCode::kSourceFile, "it does not begin like a binary log").with("file", path);
  }
  file.begin_ += 4;
  file.offset_ = 4;
  return file;
}

std::string LogFile::name() const {
  size_t slash = path_.rfind('/');
  return slash == std::string::npos ? path_ : path_.substr(slash + 1);
}

Result<uint64_t> LogFile::size() const {
  struct stat about {};
  if (::fstat(fd_, &about) != 0) return Status(ErrorCode::kSourceFile, std::strerror(errno)).with("file", path_);
  return static_cast<uint64_t>(about.st_size);
}

void LogFile::seek(uint64_t offset) {
  if (offset >= offset_ && offset - offset_ <= end_ - begin_) {
    begin_ += offset - offset_;
  } else {
    begin_ = end_ = 0;
  }
  offset_ = offset;
}

Result<size_t> LogFile::fill(size_t wanted) {
  if (end_ - begin_ >= wanted) return end_ - begin_;
  if (begin_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ < wanted) {
    // Grows with what the file really has, not with what an event claims.
    if (buffer_.size() < end_ + kReadSize) buffer_.resize(end_ + kReadSize);
    ssize_t n = ::pread(fd_, buffer_.data() + end_, buffer_.size() - end_, static_cast<off_t>(offset_ + end_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status(ErrorCode::kSourceFile, std::strerror(errno)).with("file", path_);
    if (n == 0) break;
    end_ += static_cast<size_t>(n);
  }
  return end_ - begin_;
}

Status LogFile::damaged(bool truncated, std::string detail) const {
  return Status(truncated ? ErrorCode::kSourceTruncated : ErrorCode::kSourceCorrupt, std::move(detail))
      .with("position", fmt::format("{}:{}", name(), offset_))
      .with("file", path_);
}

Result<std::string_view> LogFile::next() {
  TAILRACE_TRY(size_t have, fill(kEventHeaderSize));
  if (have == 0) return std::string_view();
  if (have < kEventHeaderSize) return damaged(true, fmt::format("{} bytes of an event header", have));
  uint32_t length = parse_event_header(buffer_.data() + begin_).length;
  if (length < kEventHeaderSize || length > kLargestEvent) {
    return damaged(false, fmt::format("an event that says it has {} bytes", length));
  }
  TAILRACE_TRY(have, fill(length));
  if (have < length) return damaged(true, fmt::format("{} bytes of an event of {}", have, length));
  std::string_view event(buffer_.data() + begin_, length);
  begin_ += length;
  offset_ += length;
  return event;
}

}  // namespace tailrace
