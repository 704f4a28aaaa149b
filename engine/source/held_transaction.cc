#include "source/held_transaction.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tailrace {
namespace {

constexpr size_t kBuffer = 64 * 1024;

std::string usable_folder(const std::string& folder) {
  if (!folder.empty()) return folder;
  const char* chosen = std::getenv("TMPDIR");
  return chosen && *chosen ? chosen : "/var/tmp";
}

// A file without a name; where the file system has no such thing, one whose name goes at once.
int nameless_file(const std::string& folder) {
  int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
  std::string name = folder + "/tailrace-spill-XXXXXX";
  file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file >= 0) ::unlink(name.c_str());
  return file;
}

}  // namespace

HeldTransaction::~HeldTransaction() {
  if (file_ >= 0) ::close(file_);
}

Status HeldTransaction::failure(std::string_view what) const {
  return Status(ErrorCode::kSourceSpill, fmt::format("{}: {}", what, std::strerror(errno))).with("folder", usable_folder(folder_));
}

Status HeldTransaction::append(uint8_t type, uint64_t offset, std::string_view body, const RowPlanRef& plan, Lacking lacking) {
  size_t index = plans_.size();
  while (index > 0 && plans_[index - 1].plan != plan) --index;  // the newest are the likely ones
  if (index == 0) {
    plans_.push_back({plan, 0});
    index = plans_.size();
  }
  return append(Header{offset, static_cast<uint32_t>(body.size()), static_cast<uint32_t>(index - 1), type, Op::kInsert, lacking}, body);
}

Status HeldTransaction::append_change(Op op, uint64_t offset, std::string_view sql, SchemaRef table, SchemaRef new_schema) {
  changes_.push_back({events_, std::move(table), std::move(new_schema)});
  return append(Header{offset, static_cast<uint32_t>(sql.size()), 0, 0, op, Lacking::kUnchanged}, sql);
}

Status HeldTransaction::append(const Header& header, std::string_view body) {
  buffer_.append(reinterpret_cast<const char*>(&header), sizeof header);
  buffer_.append(body);
  ++events_;
  return buffer_.size() < kBuffer ? Status() : flush();
}

Status HeldTransaction::flush() {
  if (buffer_.empty()) return Status();
  if (file_ < 0) {
    file_ = nameless_file(usable_folder(folder_));
    if (file_ < 0) return failure("no file for a large transaction can be made");
  }
  size_t done = 0;
  while (done < buffer_.size()) {
    ssize_t n = ::pwrite(file_, buffer_.data() + done, buffer_.size() - done, static_cast<off_t>(written_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("a large transaction cannot be written");
    done += static_cast<size_t>(n);
    written_ += static_cast<uint64_t>(n);
  }
  buffer_.clear();
  if (buffer_.capacity() > 4 * kBuffer) buffer_ = std::string();  // one large row does not stay
  return Status();
}

bool HeldTransaction::has_change_after(uint64_t events) const noexcept { return !changes_.empty() && changes_.back().event >= events; }

Status HeldTransaction::truncate(uint64_t events) {
  if (events >= events_) return Status();
  TAILRACE_OK(flush());
  uint64_t end = 0;
  Header header;
  for (uint64_t i = 0; i < events; ++i) {
    ssize_t n = ::pread(file_, &header, sizeof header, static_cast<off_t>(end));
    if (n != static_cast<ssize_t>(sizeof header)) return failure("a large transaction cannot be read back");
    end += sizeof header + header.size;
  }
  if (::ftruncate(file_, static_cast<off_t>(end)) != 0) return failure("a large transaction cannot be cut");
  written_ = end;
  events_ = events;
  while (has_change_after(events)) changes_.pop_back();
  return Status();
}

Status HeldTransaction::rewind() {
  if (file_ >= 0) {
    TAILRACE_OK(flush());
  }
  read_offset_ = 0;
  buffer_at_ = 0;
  next_event_ = 0;
  return Status();
}

// From the buffer, which holds the whole of a small transaction and a window of the file of a large one.
Status HeldTransaction::read(char* to, size_t size) {
  while (size > 0) {
    if (buffer_at_ == buffer_.size()) {
      buffer_at_ = 0;
      buffer_.resize(std::min<uint64_t>(4 * kBuffer, written_ - read_offset_));
      ssize_t n = file_ < 0 || buffer_.empty() ? 0 : ::pread(file_, buffer_.data(), buffer_.size(), static_cast<off_t>(read_offset_));
      if (n <= 0) {
        buffer_.clear();
        return failure("a large transaction cannot be read back");
      }
      buffer_.resize(static_cast<size_t>(n));
      read_offset_ += static_cast<uint64_t>(n);
    }
    size_t n = std::min(size, buffer_.size() - buffer_at_);
    std::memcpy(to, buffer_.data() + buffer_at_, n);
    buffer_at_ += n;
    to += n;
    size -= n;
  }
  return Status();
}

Result<bool> HeldTransaction::next(Event& out) {
  if (next_event_ == events_) return false;
  Header header;
  TAILRACE_OK(read(reinterpret_cast<char*>(&header), sizeof header));
  body_.resize(header.size);
  TAILRACE_OK(read(body_.data(), body_.size()));
  out.type = header.type;
  out.op = header.op;
  out.offset = header.offset;
  out.plan = header.plan;
  out.lacking = header.lacking;
  out.body = body_;
  out.table.reset();
  out.new_schema.reset();
  if (header.type == 0) {
    auto change =
        std::lower_bound(changes_.begin(), changes_.end(), next_event_, [](const Change& c, uint64_t number) { return c.event < number; });
    out.table = change->table;
    out.new_schema = change->new_schema;
  }
  ++next_event_;
  return true;
}

}  // namespace tailrace
