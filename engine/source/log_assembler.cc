#include "source/log_assembler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/byte_cursor.h"
#include "base/log.h"

namespace tailrace {
namespace {

constexpr size_t kChecksumSize = 4;

bool is_earlier(const LogPosition& a, const LogPosition& b) {
  int order = compare_log_files(a.file, b.file);
  return order < 0 || (order == 0 && a.offset < b.offset);
}

}  // namespace

BinlogAssembler::BinlogAssembler(const SourceContext& context, SchemaTracker& schemas, std::string source_kind)
    : filter_(context.tables),
      schemas_(schemas),
      source_kind_(std::move(source_kind)),
      spill_dir_(context.spill_dir),
      quarantine_(context.quarantine),
      tell_(context.tell) {}

Status BinlogAssembler::start(const LogPosition& at) {
  set_aside_.clear();
  if (quarantine_) {
    TAILRACE_TRY(auto names, quarantine_->quarantined());
    set_aside_.insert(names.begin(), names.end());
  }
  format_.reset();
  LogPosition from = at.restart_place();
  covered_.reset();
  if (at.restart) covered_ = at;
  file_ = from.file;
  offset_ = event_offset_ = from.offset;
  located_ = false;
  first_rotate_ = true;
  boundary_ = at;
  boundary_.restart.reset();
  boundary_moved_ = false;
  gtid_known_ = at.has_gtid;
  maria_set_ = MariaGtidList();
  mysql_set_ = MysqlGtidSet();
  gtid_is_maria_ = is_maria_gtid_text(at.gtid);
  if (gtid_known_ && gtid_is_maria_) {
    TAILRACE_TRY(maria_set_, MariaGtidList::parse(at.gtid));
  } else if (gtid_known_) {
    TAILRACE_TRY(mysql_set_, MysqlGtidSet::parse(at.gtid));
  }
  open_ = explicit_end_ = in_batch_ = handed_out_ = replaying_ = statement_open_ = has_rows_ = false;
  ordinal_ = 0;
  commit_time_us_ = 0;
  maps_.clear();
  statement_.clear();
  lacks_statement_ = false;
  held_.reset();
  savepoints_.clear();
  prepared_.clear();
  payload_.reset();
  batch_ = std::make_unique<BinlogRawBatch>();
  batch_bytes_ = 0;
  return Status();
}

void BinlogAssembler::locate(const std::string& file, uint64_t offset) {
  located_ = true;
  file_ = file;
  offset_ = offset;
}

LogPosition BinlogAssembler::log_position() const {
  LogPosition at = boundary_;
  at.has_gtid = gtid_known_;
  at.gtid = !gtid_known_ ? "" : gtid_is_maria_ ? maria_set_.text() : mysql_set_.text();
  const Prepared* oldest = nullptr;
  for (const auto& [xid, waiting] : prepared_) {
    if (!oldest || is_earlier(waiting.before, oldest->before)) oldest = &waiting;
  }
  if (oldest) at.restart = std::make_shared<const LogPosition>(oldest->before.restart_place());
  return at;
}

// Where the open transaction begins, for the schemas of its rows.
LogPosition BinlogAssembler::transaction_place() const {
  if (!is_covered()) return log_position();
  LogPosition at;
  at.file = file_;
  at.offset = event_offset_;
  return at;
}

// The boundary that will stand behind the event being taken, if it ends its transaction.
LogPosition BinlogAssembler::after_event() const {
  LogPosition at = transaction_place();
  if (explicit_end_) return at;
  at.file = file_;
  at.offset = offset_;
  if (!at.has_gtid) return at;
  if (gtid_is_maria_ && maria_gtid_.sequence) {
    MariaGtidList set = maria_set_;
    set.set(maria_gtid_);
    at.gtid = set.text();
  } else if (!gtid_is_maria_ && mysql_gtid_.number) {
    MysqlGtidSet set = mysql_set_;
    set.add(mysql_gtid_);
    at.gtid = set.text();
  }
  return at;
}

// Headers carry 32 bits; files may be longer.
uint64_t BinlogAssembler::extend_offset(uint32_t low) const {
  uint64_t offset = (offset_ & ~uint64_t{0xFFFFFFFF}) | low;
  if (offset + (uint64_t{1} << 31) < offset_) offset += uint64_t{1} << 32;
  return offset;
}

void BinlogAssembler::move_boundary(const std::string& file, uint64_t offset) {
  int order = boundary_.file.empty() ? 1 : compare_log_files(file, boundary_.file);
  if (order < 0 || (order == 0 && offset <= boundary_.offset)) return;
  boundary_.file = file;
  boundary_.offset = offset;
  boundary_moved_ = true;
}

Status BinlogAssembler::place(Status failure, const EventHeader& header) const {
  Status placed = std::move(failure).with("position", fmt::format("{}:{}", file_, event_offset_));
  placed = std::move(placed).with("event", event_type_name(header.type));
  return open_ ? std::move(placed).with("gtid", id_) : placed;
}

Status BinlogAssembler::take(std::string_view event) {
  if (event.size() < kEventHeaderSize) {
    return Status(ErrorCode::kSourceCorrupt, fmt::format("an event of {} bytes", event.size()))
        .with("position", fmt::format("{}:{}", file_, offset_));
  }
  EventHeader header = parse_event_header(event.data());
  auto type = static_cast<EventType>(header.type);
  bool heartbeat = type == EventType::kHeartbeat || type == EventType::kHeartbeatV2;
  event_offset_ = offset_;
  if (located_) {
    offset_ += event.size();
  } else if (!heartbeat && header.next_offset != 0 && !(header.flags & kEventArtificial)) {
    uint64_t end = extend_offset(header.next_offset);
    if (end > offset_) {
      offset_ = end;
      event_offset_ = end > event.size() ? end - event.size() : 0;
    }
  }
  if (header.length != event.size()) {
    return place(
        Status(ErrorCode::kSourceCorrupt, fmt::format("the event says it has {} bytes, there are {}", header.length, event.size())),
        header);
  }
  if (heartbeat) return on_heartbeat(header, event);
  if (type == EventType::kFormatDescription) {
    Status status = on_format(event, header);
    return status.ok() ? Status() : place(std::move(status), header);
  }
  std::string_view body;
  Status status = check_sum(event, header, body);
  if (status.ok()) status = dispatch(header, body);
  if (!status.ok()) return place(std::move(status), header);
  // What stands at the start of a file ends no transaction; a job that waits for the end of the log has to pass it.
  bool of_the_file = type == EventType::kPreviousGtids || type == EventType::kMariaGtidList || type == EventType::kMariaBinlogCheckpoint;
  if (of_the_file && !open_ && !located_ && offset_ != event_offset_) move_boundary(file_, offset_);
  return Status();
}

// The server has nothing to send up to here: what it passed over moves the position, too.
Status BinlogAssembler::on_heartbeat(const EventHeader& header, std::string_view event) {
  if (open_ || located_ || !format_) return Status();
  std::string_view body = event.substr(kEventHeaderSize);
  if (has_good_checksum(event)) body.remove_suffix(kChecksumSize);
  // The second form tells 64 bits; this one only what is left of them.
  if (static_cast<EventType>(header.type) != EventType::kHeartbeat || body != file_ || header.next_offset == 0) return Status();
  uint64_t at = extend_offset(header.next_offset);
  if (at <= offset_) return Status();
  offset_ = at;
  move_boundary(file_, at);
  return Status();
}

Status BinlogAssembler::check_sum(std::string_view event, const EventHeader& header, std::string_view& body) const {
  body = event.substr(kEventHeaderSize);
  // Made up by the server: before FORMAT_DESCRIPTION it is not known whether they carry a checksum.
  if (header.flags & kEventArtificial || !format_) {
    if (has_good_checksum(event)) body.remove_suffix(kChecksumSize);
    if (!format_ && static_cast<EventType>(header.type) != EventType::kRotate) {
      bool v3 = static_cast<EventType>(header.type) == EventType::kStartV3;
      return v3 ? Status(ErrorCode::kSourceUnsupported, "a binary log from before MySQL 5.0")
                : Status(ErrorCode::kSourceCorrupt, "an event before the FORMAT_DESCRIPTION event");
    }
    return Status();
  }
  if (!format_->has_checksum) return Status();
  if (!has_good_checksum(event)) return Status(ErrorCode::kSourceCorrupt, "the checksum of an event is wrong");
  body.remove_suffix(kChecksumSize);
  return Status();
}

Status BinlogAssembler::on_format(std::string_view event, const EventHeader& header) {
  TAILRACE_TRY(FormatDescription format, parse_format_description(event.substr(kEventHeaderSize)));
  if (format.has_checksum) {
    // The "in use" flag changes after the sum was made.
    std::string copy(event);
    copy[17] = static_cast<char>(copy[17] & ~1);
    if (!has_good_checksum(copy)) return Status(ErrorCode::kSourceCorrupt, "the checksum of an event is wrong");
  }
  // A server begins a file like this after a crash, and has rolled back what the last one ends with. A file from
  // elsewhere may have been cut off instead.
  if (open_ && has_rows_ && !located_) {
    log(LogLevel::kWarn, fmt::format("{}:{}: the transaction {} has no end in the log; the server crashed while it was "
                                     "written, and rolled it back",
                                     file_, event_offset_, id_));
    drop_open();
    open_ = has_rows_ = false;
  }
  TAILRACE_OK(abandoned(header));
  maps_.clear();
  // Items already held were framed under the old description, of which the decoder needs the size of table ids only.
  for (size_t type = 0; format_ && has_rows() && type < format.post_header.size(); ++type) {
    if (table_id_size(*format_, static_cast<EventType>(type)) == table_id_size(format, static_cast<EventType>(type))) continue;
    return Status(ErrorCode::kSourceUnsupported, "a log whose table ids change their size within a file");
  }
  format_ = std::make_shared<const FormatDescription>(std::move(format));
  return Status();
}

Status BinlogAssembler::on_rotate(const EventHeader& header, std::string_view body) {
  static const FormatDescription kNone;
  TAILRACE_TRY(RotateEvent rotate, parse_rotate(body, format_ ? *format_ : kNone));
  bool artificial = (header.flags & kEventArtificial) != 0 || header.timestamp == 0;
  if (!artificial) TAILRACE_OK(abandoned(header));
  if (located_) return Status();  // the next file is the caller's choice
  file_ = std::string(rotate.file);
  offset_ = event_offset_ = rotate.offset;
  if (first_rotate_) {
    if (boundary_.file.empty()) {
      boundary_.file = file_;
      boundary_.offset = offset_;
    }
  } else if (!open_) {
    move_boundary(file_, offset_);
  }
  first_rotate_ = false;
  return Status();
}

// A transaction is open and something begins that cannot be inside one: its end is missing.
Status BinlogAssembler::abandoned(const EventHeader&) const {
  if (!open_ || !has_rows_) return Status();
  return Status(ErrorCode::kSourceUnsupported, "a transaction has no end in the log; the server probably crashed while it was written");
}

Status BinlogAssembler::on_gtid_state(const EventHeader& header, std::string_view body) {
  if (gtid_known_ || located_) return Status();  // positions in files need no set
  if (static_cast<EventType>(header.type) == EventType::kPreviousGtids) {
    TAILRACE_TRY(mysql_set_, MysqlGtidSet::decode(body));
    gtid_is_maria_ = false;
  } else {
    TAILRACE_TRY(maria_set_, MariaGtidList::decode(body));
    gtid_is_maria_ = true;
  }
  gtid_known_ = true;
  return Status();
}

Status BinlogAssembler::on_gtid(const EventHeader& header, std::string_view body) {
  TAILRACE_OK(abandoned(header));
  bool tagged = static_cast<EventType>(header.type) == EventType::kGtidTagged;
  TAILRACE_TRY(GtidEvent event, tagged ? parse_tagged_gtid(body) : parse_mysql_gtid(body));
  if (static_cast<EventType>(header.type) == EventType::kAnonymousGtid) event.gtid.number = 0;
  if (event.gtid.number && maria_set_.empty()) gtid_is_maria_ = false;  // an empty set fits both families
  begin(event.gtid.number ? event.gtid.text() : std::string(), header, false);
  mysql_gtid_ = std::move(event.gtid);
  if (event.commit_time_us) {
    time_us_ = static_cast<int64_t>(event.commit_time_us);
    precise_time_ = true;
  }
  return Status();
}

Status BinlogAssembler::on_maria_gtid(const EventHeader& header, std::string_view body) {
  TAILRACE_OK(abandoned(header));
  TAILRACE_TRY(MariaGtidEvent event, parse_maria_gtid(body));
  MariaGtid gtid{event.domain, header.server_id, event.sequence};
  if (mysql_set_.empty()) gtid_is_maria_ = true;
  begin(gtid.text(), header, !(event.flags & kMariaStandalone));
  maria_gtid_ = gtid;
  return Status();
}

void BinlogAssembler::begin(std::string id, const EventHeader& header, bool explicit_end) {
  open_ = true;
  explicit_end_ = explicit_end;
  in_batch_ = handed_out_ = statement_open_ = has_rows_ = false;
  ordinal_ = 0;
  held_.reset();
  savepoints_.clear();
  id_ = id.empty() ? fmt::format("{}:{}", file_, event_offset_) : std::move(id);
  time_us_ = static_cast<int64_t>(header.timestamp) * 1000000;
  precise_time_ = false;
  server_id_ = header.server_id;
  maria_gtid_ = MariaGtid();
  mysql_gtid_ = MysqlGtid();
}

Transaction& BinlogAssembler::transaction() {
  if (!in_batch_) {
    Transaction& made = batch_->txns.emplace_back();
    made.id = id_;
    made.commit_time_us = time_us_;
    made.server_id = server_id_;
    made.begins_here = !handed_out_;
    in_batch_ = true;
  }
  return batch_->txns.back();
}

Status BinlogAssembler::end(const EventHeader& header) {
  if (!precise_time_) time_us_ = static_cast<int64_t>(header.timestamp) * 1000000;
  if (is_covered()) {
    drop_open();
    open_ = explicit_end_ = statement_open_ = has_rows_ = false;
    return Status();
  }
  if (!held_) {
    finish_end();
    return Status();
  }
  TAILRACE_OK(hold());  // its last events, behind the others
  TAILRACE_OK(held_->rewind());
  replaying_ = true;
  return Status();
}

void BinlogAssembler::finish_end() {
  if (in_batch_ || handed_out_) {
    Transaction& ended = transaction();
    ended.ends_here = true;
    ended.commit_time_us = time_us_;
    ended.file = file_;
    ended.end_offset = offset_;
  }
  if (maria_gtid_.sequence) maria_set_.set(maria_gtid_);
  if (mysql_gtid_.number) mysql_set_.add(mysql_gtid_);
  commit_time_us_ = time_us_;
  boundary_.file = file_;
  boundary_.offset = offset_;
  boundary_moved_ = true;
  open_ = explicit_end_ = in_batch_ = handed_out_ = statement_open_ = false;
  ordinal_ = 0;
}

void BinlogAssembler::drop_open() {
  held_.reset();
  replaying_ = false;
  if (!open_ || !in_batch_) return;
  size_t first = first_open_item();
  while (batch_->items.size() > first) {
    batch_bytes_ -= batch_->items.back().weight;
    batch_->items.pop_back();
  }
  batch_->txns.pop_back();
  in_batch_ = false;
}

Result<uint64_t> BinlogAssembler::count_open_rows() const {
  auto txn = static_cast<uint32_t>(batch_->txns.size() - 1);
  RowsDecoder decoder;
  uint64_t rows = 0;
  std::string unpacked;
  for (const BinlogRawBatch::Item& item : batch_->items) {
    if (item.txn != txn) continue;
    if (item.type == 0) {
      ++rows;
      continue;
    }
    TAILRACE_TRY(RowsEvent event, parse_rows_event(item.type, item.body, *format_));
    if (is_compressed_rows_event(item.type)) {
      unpacked.clear();
      if (!unpack_event_part(event.rows, unpacked)) {
        return Status(ErrorCode::kSourceCorrupt, "a compressed rows event cannot be unpacked");
      }
      event.rows = unpacked;
    }
    TAILRACE_TRY(uint64_t n, decoder.count(*item.plan, event));
    rows += n;
  }
  return rows;
}

// Moves the open transaction to a batch of its own, so that the complete ones before it can go with their boundary.
std::unique_ptr<BinlogRawBatch> BinlogAssembler::split_open() {
  auto rest = std::make_unique<BinlogRawBatch>();
  size_t first = first_open_item();
  batch_bytes_ = 0;
  for (size_t i = first; i < batch_->items.size(); ++i) {
    BinlogRawBatch::Item& item = rest->items.emplace_back(std::move(batch_->items[i]));
    item.txn = 0;
    item.body = {rest->buffer->copy(item.body), item.body.size()};
    batch_bytes_ += item.weight;
    auto same = [&](const RowPlanRef& plan) { return plan.get() == item.plan; };
    if (!item.plan || (!rest->plans.empty() && same(rest->plans.back()))) continue;
    if (std::any_of(rest->plans.begin(), rest->plans.end(), same)) continue;
    rest->plans.push_back(*std::find_if(batch_->plans.begin(), batch_->plans.end(), same));
  }
  batch_->items.resize(first);
  rest->txns.push_back(std::move(batch_->txns.back()));
  batch_->txns.pop_back();
  rest->file = file_;
  return rest;
}

Result<std::unique_ptr<BinlogRawBatch>> BinlogAssembler::cut() {
  if (!has_output()) return std::unique_ptr<BinlogRawBatch>();
  std::unique_ptr<BinlogRawBatch> rest;
  if (open_ && in_batch_ && boundary_moved_) {
    rest = split_open();
  } else if (open_ && !replaying_) {
    TAILRACE_OK(hold());
    if (!has_output()) return std::unique_ptr<BinlogRawBatch>();
  }
  bool slice = open_ && in_batch_ && !rest;
  if (slice) {
    auto rows = count_open_rows();
    if (!rows.ok()) return std::move(rows).status().with("position", fmt::format("{}:{}", file_, event_offset_)).with("gtid", id_);
    ordinal_ += *rows;
    batch_->txns.back().file = file_;
    batch_->txns.back().end_offset = offset_;
    handed_out_ = true;
    in_batch_ = false;
  } else if (boundary_moved_) {
    batch_->boundary = Position{source_kind_, log_position().text()};
    batch_->commit_time_us = std::exchange(commit_time_us_, 0);
  }
  batch_->format = format_;
  batch_->bytes = batch_->buffer->bytes() + batch_->items.capacity() * sizeof(BinlogRawBatch::Item) + sizeof(BinlogRawBatch);
  auto out = std::move(batch_);
  ++batch_number_;
  boundary_moved_ = false;
  if (rest) {
    batch_ = std::move(rest);
    batch_->first_ordinal = ordinal_;
    return out;
  }
  batch_ = std::make_unique<BinlogRawBatch>();
  batch_->first_ordinal = slice ? ordinal_ : 0;
  batch_bytes_ = 0;
  return out;
}

}  // namespace tailrace
