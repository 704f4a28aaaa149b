// File sink: one JSON message per line, in numbered segments of one folder: changes-00000001.jsonl, …
//
// A segment is closed at the first transaction end past its size. A run never appends to an older segment: it
// cuts a line torn by a kill off the newest one and begins the next. Lines after the last checkpoint may come
// twice.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include "sink/sink.h"

namespace tailrace {
namespace {

constexpr size_t kBufferBytes = 1u << 20;
constexpr std::string_view kSuffix = ".jsonl";
constexpr size_t kDigits = 8;

struct FileSinkOptions {
  std::string folder, prefix;
  uint64_t segment_bytes = 0;
  bool sync = true;
};

Status failure(std::string_view what, const std::string& path, ErrorCode otherwise) {
  int error = errno;
  bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return Status(full ? ErrorCode::kSinkFull : otherwise, fmt::format("{}: {}", what, std::strerror(error))).with("file", path);
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      if (number_ >= 0) ::close(number_);
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }

 private:
  int number_;
};

class FileSink final : public Sink {
 public:
  explicit FileSink(FileSinkOptions options) : options_(std::move(options)) {}

  SinkCaps caps() const override {
    SinkCaps caps;
    caps.wants_records = true;
    return caps;
  }

  Status open(const SinkContext& context, AckReceiver& acks) override {
    if (!context.serializer) return Status(ErrorCode::kInternal, "the file sink was opened without a format");
    serializer_ = context.serializer;
    acks_ = &acks;
    if (::mkdir(options_.folder.c_str(), 0777) != 0 && errno != EEXIST) {
      return failure("make the folder", options_.folder, ErrorCode::kSinkOpen);
    }
    folder_ = Descriptor(::open(options_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder_) return failure("open the folder", options_.folder, ErrorCode::kSinkOpen);
    TAILRACE_TRY(last_segment_, newest_segment());
    return last_segment_ ? cut_torn_line(segment_path(last_segment_)) : Status();
  }

  Status write(const LaneBatch& lane, std::stop_token) override {
    if (!failure_.ok()) return failure_;
    const EventBatch& batch = *lane.events;
    for (const ChangeEvent& event : batch.events) {
      record_.skip = false;
      TAILRACE_OK(serializer_->encode(batch, event, record_));
      if (record_.skip || record_.value.empty()) continue;
      if (record_.value.find('\n') != std::string::npos) {
        return Status(ErrorCode::kFormatValue, "the message has a line break, a file holds one message per line");
      }
      buffer_ += record_.value;
      buffer_ += '\n';
      if (buffer_.size() >= kBufferBytes) TAILRACE_OK(write_out());
    }
    covered_.push_back(batch.sequence);
    uint64_t size = segment_size_ + buffer_.size();
    // One transaction far larger than a segment is cut at batch ends.
    if (size >= options_.segment_bytes && (lane.checkpoint || size >= 4 * options_.segment_bytes)) return end_segment();
    return Status();
  }

  Status flush(std::stop_token) override {
    if (!failure_.ok()) return failure_;
    TAILRACE_OK(write_out());
    TAILRACE_OK(check_segment());
    if (dirty_ && options_.sync && ::fdatasync(segment_.get()) != 0) {
      return fail(failure("sync", segment_path(last_segment_), ErrorCode::kSinkWrite));
    }
    dirty_ = false;
    for (uint64_t sequence : covered_) acks_->acknowledged(sequence);
    covered_.clear();
    return Status();
  }

 private:
  std::string segment_path(uint64_t number) const {
    return fmt::format("{}/{}-{:0{}}{}", options_.folder, options_.prefix, number, kDigits, kSuffix);
  }

  Result<uint64_t> newest_segment() const {
    DIR* listing = ::opendir(options_.folder.c_str());
    if (!listing) return failure("list the folder", options_.folder, ErrorCode::kSinkOpen);
    uint64_t newest = 0;
    while (const dirent* entry = ::readdir(listing)) {
      std::string_view name = entry->d_name;
      if (name.size() < options_.prefix.size() + 1 + kDigits + kSuffix.size()) continue;
      if (name.substr(0, options_.prefix.size()) != options_.prefix || name[options_.prefix.size()] != '-') continue;
      if (name.substr(name.size() - kSuffix.size()) != kSuffix) continue;
      std::string_view digits = name.substr(options_.prefix.size() + 1);
      digits.remove_suffix(kSuffix.size());
      uint64_t number = 0;
      auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (error == std::errc() && end == digits.data() + digits.size()) newest = std::max(newest, number);
    }
    ::closedir(listing);
    return newest;
  }

  Status cut_torn_line(const std::string& path) const {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file) return failure("open the newest segment", path, ErrorCode::kSinkOpen);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      return Status(ErrorCode::kSinkMismatch, "another process is writing this segment").with("file", path);
    }
    struct stat info;
    if (::fstat(file.get(), &info) != 0) return failure("look at the newest segment", path, ErrorCode::kSinkOpen);
    std::vector<char> block(64 * 1024);
    off_t keep = info.st_size;
    while (keep > 0) {
      size_t n = static_cast<size_t>(std::min<off_t>(keep, static_cast<off_t>(block.size())));
      ssize_t got = ::pread(file.get(), block.data(), n, keep - static_cast<off_t>(n));
      if (got != static_cast<ssize_t>(n)) return failure("read the newest segment", path, ErrorCode::kSinkOpen);
      size_t at = std::string_view(block.data(), n).rfind('\n');
      if (at != std::string_view::npos) {
        keep -= static_cast<off_t>(n - at - 1);
        break;
      }
      keep -= static_cast<off_t>(n);
    }
    if (keep == info.st_size) return Status();
    if (::ftruncate(file.get(), keep) != 0 || ::fsync(file.get()) != 0) {
      return failure("cut the torn last line", path, ErrorCode::kSinkOpen);
    }
    return Status();
  }

  Status begin_segment() {
    std::string path;
    do {
      path = segment_path(++last_segment_);
      segment_ = Descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666));
    } while (!segment_ && errno == EEXIST);
    if (!segment_) return fail(failure("make a segment", path, ErrorCode::kSinkWrite));
    if (::flock(segment_.get(), LOCK_EX | LOCK_NB) != 0) return fail(failure("lock the segment", path, ErrorCode::kSinkWrite));
    if (options_.sync && ::fsync(folder_.get()) != 0) return fail(failure("sync the folder", options_.folder, ErrorCode::kSinkWrite));
    segment_size_ = 0;
    return Status();
  }

  // A file that was removed takes lines until it is closed, and then they are gone.
  Status check_segment() {
    struct stat info;
    if (!dirty_ || ::fstat(segment_.get(), &info) != 0 || info.st_nlink > 0) return Status();
    return fail(Status(ErrorCode::kSinkMismatch, "the segment was removed while it was written; its lines are gone")
                    .with("file", segment_path(last_segment_)));
  }

  Status end_segment() {
    TAILRACE_OK(write_out());
    TAILRACE_OK(check_segment());
    if (dirty_ && options_.sync && ::fdatasync(segment_.get()) != 0) {
      return fail(failure("sync", segment_path(last_segment_), ErrorCode::kSinkWrite));
    }
    dirty_ = false;
    segment_ = Descriptor();
    segment_size_ = 0;
    return Status();
  }

  Status write_out() {
    if (buffer_.empty()) return Status();
    if (!segment_) TAILRACE_OK(begin_segment());
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      ssize_t n = ::write(segment_.get(), rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(failure("write", segment_path(last_segment_), ErrorCode::kSinkWrite));
      rest.remove_prefix(static_cast<size_t>(n));
    }
    segment_size_ += buffer_.size();
    buffer_.clear();
    dirty_ = true;
    return Status();
  }

  Status fail(Status status) {
    failure_ = status;
    return status;
  }

  const FileSinkOptions options_;
  const Serializer* serializer_ = nullptr;
  AckReceiver* acks_ = nullptr;
  Descriptor folder_, segment_;
  uint64_t last_segment_ = 0;
  uint64_t segment_size_ = 0;
  bool dirty_ = false;             // written since the last sync
  std::string buffer_;             // whole lines not yet written
  std::vector<uint64_t> covered_;  // batches written since the last flush
  Record record_;
  Status failure_;
};

constexpr OptionSpec kOptions[] = {
    {"prefix", "string", "changes", "segments are named <prefix>-00000001.jsonl"},
    {"segment_bytes", "bytes", "64MiB", "size at which a segment ends, at the next transaction end"},
    {"sync", "bool", "true", "sync to disk before a checkpoint moves; false: survives a kill, not a power cut"},
};

Result<std::unique_ptr<Sink>> create_file(const Options& options, const Url& url) {
  FileSinkOptions out;
  // file:///var/out is absolute, file://./out and file:out are relative to the working directory.
  out.folder = url.host + url.path;
  while (out.folder.size() > 1 && out.folder.back() == '/') out.folder.pop_back();
  if (out.folder.empty() || url.port != 0 || !url.user.empty()) {
    return Status(ErrorCode::kConfigUrl, "write file:///absolute/folder or file://./relative/folder");
  }
  out.prefix = options.text("prefix");
  if (out.prefix.empty() || out.prefix.find('/') != std::string::npos) {
    return Status(ErrorCode::kConfigBadValue, "prefix: a part of a file name is wanted");
  }
  out.segment_bytes = static_cast<uint64_t>(std::max<int64_t>(options.integer("segment_bytes"), 1));
  out.sync = options.boolean("sync");
  return std::unique_ptr<Sink>(std::make_unique<FileSink>(std::move(out)));
}

}  // namespace

extern const SinkInfo tailrace_sink_file;
const SinkInfo tailrace_sink_file{"file", "JSON lines in segments of one folder", kOptions, &create_file};

}  // namespace tailrace
