#include "source/start_scan.h"

#include "mysql/compression.h"

namespace tailrace {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr size_t kChecksumSize = 4;

}  // namespace

bool begins_transaction(uint8_t type, bool has_gtids) noexcept {
  switch (static_cast<EventType>(type)) {
    case EventType::kGtid:
    case EventType::kAnonymousGtid:
    case EventType::kGtidTagged:
    case EventType::kMariaGtid:
    case EventType::kPreviousGtids:
    case EventType::kMariaGtidList:
    case EventType::kMariaBinlogCheckpoint:
    case EventType::kMariaStartEncryption:
    case EventType::kFormatDescription:
    case EventType::kRotate:
    case EventType::kStop:
    case EventType::kIncident: return true;
    case EventType::kXid:
    case EventType::kWriteRows:
    case EventType::kUpdateRows:
    case EventType::kDeleteRows:
    case EventType::kWriteRowsV1:
    case EventType::kUpdateRowsV1:
    case EventType::kDeleteRowsV1: return false;
    default: return !has_gtids;
  }
}

Status not_between(const LogPosition& at, uint8_t type) {
  return Status(ErrorCode::kSourcePosition,
                "the place is inside a transaction: name the offset where one ends, as a status or SHOW BINARY LOG STATUS shows it")
      .with("position", at.text())
      .with("event", event_type_name(type));
}

void StartScan::locate(const std::string& file, uint64_t offset) {
  located_ = true;
  at_.file = file;
  offset_ = offset;
}

LogPosition StartScan::place() const {
  LogPosition out = at_;
  if (!found_) out.offset = offset_;
  return out;
}

LogPosition StartScan::position() const {
  LogPosition out = place();
  out.has_gtid = set_known_;
  out.gtid = !set_known_ ? "" : set_is_maria_ ? maria_set_.text() : mysql_set_.text();
  return out;
}

Status StartScan::take(std::string_view event) {
  if (found_) return Status();
  if (event.size() < kEventHeaderSize) return Status(ErrorCode::kSourceCorrupt, "an event shorter than its header");
  EventHeader header = parse_event_header(event.data());
  auto type = static_cast<EventType>(header.type);
  if (type == EventType::kHeartbeat || type == EventType::kHeartbeatV2) return Status();
  const bool artificial = (header.flags & kEventArtificial) != 0 || header.timestamp == 0;
  uint64_t begin = offset_;
  if (located_) {
    offset_ += event.size();
  } else if (!artificial && header.next_offset != 0) {
    uint64_t end = (offset_ & ~uint64_t{UINT32_MAX}) | header.next_offset;
    if (end < offset_) end += uint64_t{1} << 32;
    offset_ = end;
    begin = end > event.size() ? end - event.size() : 0;
  }
  if (!first_time_us_) first_time_us_ = int64_t{header.timestamp} * kSecond;
  std::string_view body = event.substr(kEventHeaderSize);
  if (type == EventType::kFormatDescription) {
    TAILRACE_TRY(FormatDescription format, parse_format_description(body));
    format_ = std::make_unique<const FormatDescription>(std::move(format));
    at_.offset = offset_;
    return Status();
  }
  // What the server makes up carries a sum or not, whatever the file has.
  bool has_sum = header.flags & kEventArtificial ? has_good_checksum(event) : format_ && format_->has_checksum;
  if (has_sum && body.size() >= kChecksumSize) body.remove_suffix(kChecksumSize);
  if (type == EventType::kRotate) {
    if (located_) return Status();
    static const FormatDescription kNone;
    TAILRACE_TRY(RotateEvent rotate, parse_rotate(body, format_ ? *format_ : kNone));
    at_.file = std::string(rotate.file);
    at_.offset = offset_ = rotate.offset;
    return Status();
  }
  if (!format_) return Status(ErrorCode::kSourceCorrupt, "an event before the FORMAT_DESCRIPTION event");

  auto pass = [&](int64_t time_us, bool whole_seconds) {
    at_.offset = begin;
    found_ = time_us >= (whole_seconds ? time_us_ / kSecond * kSecond : time_us_);
    return !found_;
  };
  const int64_t seconds_us = int64_t{header.timestamp} * kSecond;
  switch (type) {
    case EventType::kPreviousGtids:
      if (!set_known_) {
        TAILRACE_TRY(mysql_set_, MysqlGtidSet::decode(body));
        set_known_ = true;
      }
      at_.offset = offset_;
      break;
    case EventType::kMariaGtidList:
      if (!set_known_) {
        TAILRACE_TRY(maria_set_, MariaGtidList::decode(body));
        set_known_ = set_is_maria_ = true;
      }
      at_.offset = offset_;
      break;
    case EventType::kGtid:
    case EventType::kAnonymousGtid:
    case EventType::kGtidTagged: {
      TAILRACE_TRY(GtidEvent gtid, type == EventType::kGtidTagged ? parse_tagged_gtid(body) : parse_mysql_gtid(body));
      has_gtids_ = true;
      if (!pass(gtid.commit_time_us ? static_cast<int64_t>(gtid.commit_time_us) : seconds_us, !gtid.commit_time_us)) break;
      if (type != EventType::kAnonymousGtid && gtid.gtid.number) mysql_set_.add(gtid.gtid);
      break;
    }
    case EventType::kMariaGtid: {
      TAILRACE_TRY(MariaGtidEvent gtid, parse_maria_gtid(body));
      has_gtids_ = true;
      if (!pass(seconds_us, true)) break;
      maria_set_.set(MariaGtid{gtid.domain, header.server_id, gtid.sequence});
      break;
    }
    case EventType::kQuery: {
      if (has_gtids_) break;
      TAILRACE_TRY(QueryEvent query, parse_query(body, *format_));
      if (!open_ && !pass(seconds_us, true)) break;
      open_ = query.sql == "BEGIN" || (open_ && query.sql != "COMMIT" && query.sql != "ROLLBACK");
      break;
    }
    case EventType::kXid: open_ = false; break;
    case EventType::kTableMap:
    case EventType::kIntvar:
    case EventType::kRand:
    case EventType::kUserVar:
    case EventType::kBeginLoadQuery:
      if (!has_gtids_ && !open_) pass(seconds_us, true);
      break;
    default: break;
  }
  return Status();
}

}  // namespace tailrace
