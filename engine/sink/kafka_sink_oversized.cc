#include "sink/kafka_sink_oversized.h"

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/log.h"
#include "sink/kafka_sink_sender.h"

namespace tailrace {
namespace {

constexpr uint64_t kToldAtFirst = 20;  // afterwards every thousandth
constexpr size_t kBatchBytes = 61;     // of a record batch with one record, besides the record
constexpr size_t kRecordBytes = 36;    // lengths and deltas of a record
constexpr size_t kHeaderBytes = 10;    // lengths of a header
constexpr size_t kIdBytes = 128;       // of the header tailrace.id

bool is_row(const ChangeEvent& event) { return event.op <= Op::kRead && event.table; }

// A change sent again after a kill finds its file; its message differs from the first one by clocks alone. Rows of a copy
// have no position: their content decides.
std::string claim_name(std::string_view job_id, std::string_view position, std::string_view value) {
  if (!position.empty()) return fmt::format("{}-{}", job_id, position);
  XXH128_hash_t hash = XXH3_128bits(value.data(), value.size());
  return fmt::format("{}-{:016x}{:016x}", job_id, hash.high64, hash.low64);
}

Status file_failure(std::string_view what, const std::string& path) {
  int number = errno;
  ErrorCode code = number == ENOSPC || number == EDQUOT || number == EFBIG ? ErrorCode::kSinkFull : ErrorCode::kSinkOpen;
  return Status(code, fmt::format("sink.claim_check_folder: {}: {}", what, std::strerror(number))).with("file", path);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// On disk when it returns, whole or not at all.
Status write_file(const std::string& folder, const std::string& name, std::string_view bytes) {
  const std::string path = folder + "/" + name, fresh = path + ".new";
  {
    Descriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.get() < 0) return file_failure("a file cannot be made", fresh);
    while (!bytes.empty()) {
      ssize_t done = ::write(file.get(), bytes.data(), bytes.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return file_failure("a value cannot be written", fresh);
      bytes.remove_prefix(static_cast<size_t>(done));
    }
    if (::fsync(file.get()) != 0) return file_failure("a value cannot be written", fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return file_failure("a file cannot be renamed", path);
  Descriptor parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() < 0 || ::fsync(parent.get()) != 0) return file_failure("the folder cannot be written", folder);
  return {};
}

}  // namespace

size_t message_size(const Record& record, std::span<const MessageHeader> headers) noexcept {
  size_t size = kBatchBytes + kRecordBytes + kIdBytes + record.key.size() + record.value.size();
  for (const MessageHeader& header : headers) size += header.name.size() + header.value.size() + kHeaderBytes;
  return size;
}

bool KafkaOversized::fits(const ChangeEvent& event, const KafkaTopic& topic, const Record& record) const noexcept {
  size_t size = message_size(record, event.route ? event.route->headers : std::span<const MessageHeader>());
  for (const MessageHeader& header : headers_) size += header.name.size() + header.value.size() + kHeaderBytes;
  return size <= topic.max_bytes;
}

Status KafkaOversized::settle(const EventBatch& batch, const ChangeEvent& event, const KafkaTopic& topic, std::string_view position,
                              Record& record) {
  headers_.clear();
  const std::string table = event.table ? event.table->qualified_name() : "";
  Status why = at_message(Status(ErrorCode::kSinkTooLarge,
                                 fmt::format("message of {} bytes, and {}", record.key.size() + record.value.size(), topic.limit_text())),
                          {topic.name, table, record.key, position});
  if (!is_row(event)) return why;  // a statement: nothing of it can be left out
  switch (settings_.policy) {
    case KafkaOversizedSettings::Policy::kFail: return why;
    case KafkaOversizedSettings::Policy::kDeadLetter: return put_aside(std::move(why), batch, event, record);
    case KafkaOversizedSettings::Policy::kClaimCheck: TAILRACE_OK(check_claim(why, topic, position, record)); break;
    case KafkaOversizedSettings::Policy::kDropColumn: TAILRACE_OK(drop_columns(why, batch, event, topic, record)); break;
  }
  if (!fits(event, topic, record)) return std::move(why).with("policy", "what is left of the message is still too large");
  tell(why, fmt::format("{} {}", headers_[0].name, headers_[0].value));
  return {};
}

Status KafkaOversized::put_aside(Status why, const EventBatch& batch, const ChangeEvent& event, Record& record) {
  if (!set_aside_) {
    return Status(ErrorCode::kConfigBadValue, "sink.oversized = \"dead_letter\" needs a job file to keep them in").caused_by(why);
  }
  TAILRACE_OK(set_aside_(why, batch, event));
  tell(why, "dead letter");
  record.skip = true;
  return {};
}

Status KafkaOversized::check_claim(Status why, const KafkaTopic& topic, std::string_view position, Record& record) {
  const std::string folder = settings_.folder + "/" + topic.name, name = claim_name(job_id_, position, record.value);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) {
    return Status(ErrorCode::kSinkOpen, fmt::format("sink.claim_check_folder: {}", failure.message()))
        .with("file", folder)
        .caused_by(std::move(why));
  }
  // Only whole files have such a name.
  if (!std::filesystem::exists(folder + "/" + name, failure)) TAILRACE_OK(write_file(folder, name, record.value));
  note_ = topic.name + "/" + name;
  size_t size = record.value.size();
  record.value = fmt::format("{{\"claim_check\":{{\"file\":\"{}\",\"bytes\":{}}}}}", note_, size);
  headers_.push_back({"tailrace.claim_check", note_});
  return {};
}

// The largest columns first, until the rest fits; never one of the key.
Status KafkaOversized::drop_columns(Status why, const EventBatch& batch, const ChangeEvent& event, const KafkaTopic& topic,
                                    Record& record) {
  if (event.route && event.route->has_payload)
    return std::move(why).with("policy", "a rule made this message, so no column of it can be left out");
  const TableSchema& table = *event.table;
  before_.assign(event.before.begin(), event.before.end());
  after_.assign(event.after.begin(), event.after.end());
  ChangeEvent smaller = event;
  smaller.before = before_;
  smaller.after = after_;
  auto size_of = [](const std::vector<Value>& row, size_t column) {
    return column < row.size() && has_text_payload(row[column].kind) ? row[column].size : 0u;
  };
  note_.clear();
  while (true) {
    size_t largest = 0, bytes = 0;
    for (size_t column = 0; column < table.columns.size(); ++column) {
      if (std::find(table.primary_key.begin(), table.primary_key.end(), column) != table.primary_key.end()) continue;
      size_t size = size_of(before_, column) + size_of(after_, column);
      if (size > bytes) {
        bytes = size;
        largest = column;
      }
    }
    if (bytes == 0) return std::move(why).with("policy", "no column is left that could be left out");
    if (largest < before_.size()) before_[largest] = Value::absent();
    if (largest < after_.size()) after_[largest] = Value::absent();
    note_ += (note_.empty() ? "" : ",") + table.columns[largest].name;
    headers_ = {{"tailrace.dropped", note_}};
    TAILRACE_OK(serializer_.encode(batch, smaller, record));
    if (record.skip || fits(event, topic, record)) return {};
  }
}

void KafkaOversized::tell(const Status& why, std::string_view what) {
  if (++told_ > kToldAtFirst && told_ % 1000 != 0) return;
  log(LogLevel::kWarn, fmt::format("{} ({}; oversized message {} of this run)", why.to_string(), what, told_));
}

}  // namespace tailrace
