// A log, event by event, to batches and rows: framing, transactions, table maps, schema changes, slices.
#include <cstring>
#include <map>
#include <string>

#include "event/value_text.h"
#include "fuzz/fuzz.h"
#include "fuzz/logged_schema.h"
#include "mysql/compression.h"
#include "source/log_assembler.h"

using namespace tailrace;

namespace {

// The stand-in for a server: its tables are as the log last described them.
class Tables : public Catalogue {
 public:
  Result<SchemaRef> table(const std::string& database, const std::string& table) override {
    auto found = known.find({database, table});
    return found == known.end() ? SchemaRef() : found->second;
  }
  Result<std::vector<SchemaRef>> tables() override { return std::vector<SchemaRef>(); }
  Result<std::map<std::string, uint16_t>> databases() override { return std::map<std::string, uint16_t>{{"d", 45}, {"seed", 8}}; }
  Result<LogPosition> position() override {
    LogPosition end;
    end.file = "bin.000009";
    end.offset = 4;
    return end;
  }
  int lower_case_table_names() override { return 0; }

  std::map<std::pair<std::string, std::string>, SchemaRef> known;
};

class Reading {
 public:
  explicit Reading(uint8_t choice)
      : located_(choice & 1),
        good_sums_(choice & 2),
        cut_at_(choice & 4   ? 1
                : choice & 8 ? 300
                             : 1 << 16),
        schemas_(nullptr, "mysql", choice & 64 ? nullptr : &tables_, [](std::string_view, std::string_view) { return true; }),
        assembler_(SourceContext{}, schemas_, "mysql") {
    LogPosition start;
    start.file = "bin.000001";
    start.offset = 4;
    if (choice & 16) start.has_gtid = true;
    if (choice & 32) {  // resumed before the position, for a prepared transaction
      start.restart = std::make_shared<const LogPosition>(start);
      start.offset = 1000;
    }
    FUZZ_CHECK(schemas_.begin(start, false).ok() && assembler_.start(start).ok());
  }

  void read(std::string_view log) {
    Status status;
    size_t at = 0;
    while (status.ok() && at < log.size()) {
      std::string event = next_event(log, at);
      if (located_) assembler_.locate("bin.000001", at + 4);
      at += event.size();
      remember_map(event);
      status = assembler_.take(event);
      for (int steps = 0; status.ok() && assembler_.stepping(); ++steps) {
        if (steps == 4096) return;
        status = assembler_.step();
        if (status.ok()) status = cut(cut_at_);
      }
      if (status.ok()) status = cut(cut_at_);
      FUZZ_CHECK(!status.ok() || assembler_.pending_bytes() <= cut_at_);
    }
    if (!status.ok()) {
      FUZZ_CHECK(status.code() != ErrorCode::kInternal && status.code() != ErrorCode::kSourceSpill);
      assembler_.drop_open();
    }
    (void)cut(0);
  }

 private:
  // As long as its header says, where that is possible; with a right checksum when that is wished for.
  std::string next_event(std::string_view log, size_t at) const {
    std::string event(log.substr(at));
    if (event.size() < kEventHeaderSize) return event;
    EventHeader header = parse_event_header(event.data());
    if (header.length >= kEventHeaderSize && header.length <= event.size()) event.resize(header.length);
    bool describes = static_cast<EventType>(header.type) == EventType::kFormatDescription;
    bool summed = describes || (assembler_.format() && assembler_.format()->has_checksum);
    if (!good_sums_ || !summed || event.size() < kEventHeaderSize + 4) return event;
    std::string counted = event.substr(0, event.size() - 4);
    if (describes) counted[17] = static_cast<char>(counted[17] & ~1);
    uint32_t sum = log_crc32(0, counted);
    std::memcpy(event.data() + event.size() - 4, &sum, 4);
    return event;
  }

  void remember_map(std::string_view event) {
    if (event.size() < kEventHeaderSize || !assembler_.format()) return;
    if (static_cast<EventType>(parse_event_header(event.data()).type) != EventType::kTableMap) return;
    size_t tail = assembler_.format()->has_checksum ? 4 : 0;
    if (event.size() < kEventHeaderSize + tail) return;
    auto map = parse_table_map(event.substr(kEventHeaderSize, event.size() - kEventHeaderSize - tail), *assembler_.format());
    if (map.ok()) tables_.known[{map->database, map->table}] = fuzz::schema_for(*map);
  }

  Status cut(size_t from_bytes) {
    while (assembler_.pending_bytes() >= from_bytes || assembler_.file_changed()) {
      auto raw = assembler_.cut();
      if (!raw.ok()) return std::move(raw).status();
      if (!*raw) break;
      EventBatch batch;
      TAILRACE_OK(decode_binlog_batch(**raw, batch));
      check(batch);
    }
    return Status();
  }

  void check(const EventBatch& batch) {
    FUZZ_CHECK(!batch.boundary || batch.txns.empty() || batch.txns.back().ends_here);
    if (batch.boundary) FUZZ_CHECK(parse_log_position(*batch.boundary).ok());
    for (size_t i = 0; i < batch.txns.size(); ++i) {
      FUZZ_CHECK(batch.txns[i].begins_here || i == 0);
      FUZZ_CHECK(batch.txns[i].ends_here || i + 1 == batch.txns.size());
    }
    uint32_t txn = 0;
    uint64_t expected = batch.txns.empty() || batch.txns[0].begins_here ? 0 : next_ordinal_;
    std::string text;
    for (const ChangeEvent& event : batch.events) {
      FUZZ_CHECK(event.txn < batch.txns.size() && event.txn >= txn);
      if (event.txn != txn) expected = 0;
      txn = event.txn;
      FUZZ_CHECK(event.ordinal == expected);
      ++expected;
      for (Row row : {event.before, event.after}) {
        for (size_t i = 0; i < row.size(); ++i) {
          text.clear();
          append_text(row[i], event.table->columns[i], text);
        }
      }
    }
    next_ordinal_ = expected;
  }

  const bool located_, good_sums_;
  const size_t cut_at_;
  Tables tables_;
  SchemaTracker schemas_;
  BinlogAssembler assembler_;
  uint64_t next_ordinal_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  Reading reading(in.u8());
  reading.read(in.rest());
  return 0;
}
