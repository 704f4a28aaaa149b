// BinlogFileSource: change stream read from binary log files, in the order given.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <set>
#include <sstream>

#include "event/start_point.h"
#include "mysql/charset.h"
#include "mysql/connection.h"
#include "mysql/create_table.h"
#include "source/log_assembler.h"
#include "source/log_file.h"
#include "source/source.h"
#include "source/start_scan.h"

namespace tailrace {
namespace {

constexpr std::string_view kKind = "binlog";
constexpr size_t kMaxItems = 2048;

using TableKey = std::pair<std::string, std::string>;

class BinlogFileSource : public Source {
 public:
  BinlogFileSource(std::vector<std::string> paths, std::map<TableKey, SchemaRef> given, uint16_t collation, InvalidText invalid_text,
                   const SourceContext& context)
      : paths_(std::move(paths)),
        given_(std::move(given)),
        has_given_(!given_.empty()),
        schemas_(context.schemas, std::string(kKind), nullptr,
                 [tables = context.tables](std::string_view database, std::string_view table) {
                   return !tables || tables->matches(database, table);
                 }),
        assembler_(context, schemas_, std::string(kKind)),
        invalid_text_(invalid_text) {
    schemas_.set_default_collation(collation);
  }

  Status open(const std::optional<Position>& from) override {
    failure_ = Status();
    interrupted_ = false;
    index_ = 0;
    TAILRACE_TRY(LogPosition at, find_start(from));
    index_ = index_of(at.restart_place().file);
    if (index_ == paths_.size()) {
      return Status(ErrorCode::kSourcePosition, "no file of this source has the position").with("position", from ? from->text : at.text());
    }
    start_ = Position{std::string(kKind), at.text()};
    TAILRACE_OK(schemas_.begin(at.restart_place(), from.has_value()));
    if (has_given_) {
      std::vector<SchemaRef> all;
      for (const auto& [key, schema] : given_) all.push_back(schema);
      TAILRACE_OK(schemas_.give(all, at));
    }
    TAILRACE_OK(assembler_.start(at));
    return open_file(at.restart_place().offset);
  }

  Result<ReadState> read(std::unique_ptr<RawBatch>& out, size_t max_bytes, std::stop_token stop) override {
    out.reset();
    if (!failure_.ok()) return failure_;
    if (done_) return ReadState::kEnd;
    constexpr size_t kUsualBatch = 256u << 10;  // of a transaction that would be too large for one
    size_t taken = 0;
    while (true) {
      if (stop.stop_requested() || interrupted_) return ReadState::kIdle;
      const bool is_full = assembler_.pending_bytes() >= (max_bytes > 0 ? max_bytes : kUsualBatch);
      if (is_full || (assembler_.can_cut() && assembler_.has_rows() && (max_bytes == 0 || taken >= kMaxItems))) {
        TAILRACE_TRY(ReadState state, hand_out(out));
        if (out) return state;
        continue;
      }
      if (assembler_.stepping()) {
        Status status = assembler_.step();
        if (!status.ok()) return fail(std::move(status), out);
        ++taken;
        continue;
      }
      uint64_t offset = file_->offset();
      auto event = file_->next();
      if (!event.ok()) return fail(std::move(event).status(), out);
      if (event->empty()) {
        if (assembler_.has_rows() && !assembler_.in_transaction()) return hand_out(out);
        Status status = next_file();
        if (!status.ok()) return fail(std::move(status), out);
        if (!done_) continue;
        TAILRACE_TRY(ReadState state, hand_out(out));
        return state == ReadState::kMore ? state : ReadState::kEnd;
      }
      assembler_.locate(file_->name(), offset);
      Status status = assembler_.take(*event);
      if (!status.ok()) return fail(std::move(status), out);
      ++taken;
    }
  }

  Status decode(const RawBatch& in, EventBatch& out) const override {
    return decode_binlog_batch(static_cast<const BinlogRawBatch&>(in), out, invalid_text_);
  }

  bool covers(const Position& at, const Transaction& transaction) const override {
    auto place = parse_log_position(at);
    return place.ok() && at_or_before(transaction.file, transaction.end_offset, *place);
  }
  bool reached(const Position& at, const Position& target) const override {
    auto place = parse_log_position(at);
    auto goal = parse_log_position(target);
    return place.ok() && goal.ok() && at_or_before(goal->file, goal->offset, *place);
  }
  Position start_position() const override { return start_; }

  Result<Position> current_position() override {
    std::ifstream last(paths_.back(), std::ios::binary | std::ios::ate);
    if (!last) return Status(ErrorCode::kSourceFile, "it cannot be opened").with("file", paths_.back());
    return Position{std::string(kKind), fmt::format("file={};offset={}", name_of(paths_.back()), static_cast<uint64_t>(last.tellg()))};
  }
  Result<std::unique_ptr<SnapshotReader>> snapshot_reader() override {
    return Status(ErrorCode::kSourceUnsupported, "binary log files have no tables to copy; switch the snapshot off");
  }
  void interrupt() noexcept override { interrupted_ = true; }

 private:
  // A log at rest ends nowhere else than where it begins to be read: "now" is its first event.
  Result<LogPosition> find_start(const std::optional<Position>& from) const {
    const LogPosition first{false, "", name_of(paths_.front()), 4, ""};
    if (!from) return first;
    if (!from->source_kind.empty()) return parse_log_position(*from);
    TAILRACE_TRY(StartPoint point, parse_start_point(from->text));
    if (point.kind == StartPoint::Kind::kTime) return find_time(point.time_us);
    if (point.kind != StartPoint::Kind::kPosition) return first;
    TAILRACE_TRY(LogPosition at, parse_log_position(Position{"", point.position}));
    if (!at.file.empty()) return check_place(at);
    return Status(ErrorCode::kSourcePosition,
                  "log files are read from a file and offset, a time or the earliest event, not from a GTID set")
        .with("position", from->text);
  }

  Result<LogPosition> check_place(LogPosition at) const {
    size_t index = index_of(at.file);
    if (index == paths_.size() || at.offset <= 4) return at;
    TAILRACE_TRY(LogFile file, LogFile::open(paths_[index]));
    file.seek(at.offset);
    TAILRACE_TRY(std::string_view event, file.next());
    if (event.empty()) return at;
    // Of the log's age only the writer could tell; files without GTID events are read from any event that may begin one.
    uint8_t type = parse_event_header(event.data()).type;
    if (!begins_transaction(type, false)) return not_between(at, type);
    return at;
  }

  // The first transaction at or after the time. Files are few and local: they are read in their order.
  Result<LogPosition> find_time(int64_t time_us) const {
    constexpr int64_t kSecond = 1'000'000;
    size_t begin = 0;
    for (size_t i = 0; i < paths_.size(); ++i) {
      TAILRACE_TRY(LogFile file, LogFile::open(paths_[i]));
      TAILRACE_TRY(std::string_view event, file.next());
      int64_t first_us = event.empty() ? 0 : int64_t{parse_event_header(event.data()).timestamp} * kSecond;
      if (i == 0 && time_us < first_us) {
        return Status(ErrorCode::kSourcePurged,
                      fmt::format("source.start: {} is before the log begins, at {}", utc_text(time_us), utc_text(first_us)))
            .with("earliest", file.name() + ":4");
      }
      if (first_us >= time_us / kSecond * kSecond && i > 0) break;
      begin = i;
    }
    StartScan scan(time_us, LogPosition{false, "", name_of(paths_[begin]), 4, ""});
    for (size_t i = begin; i < paths_.size(); ++i) {
      TAILRACE_TRY(LogFile file, LogFile::open(paths_[i]));
      while (true) {
        uint64_t offset = file.offset();
        TAILRACE_TRY(std::string_view event, file.next());
        if (event.empty()) break;
        scan.locate(file.name(), offset);
        auto placed = [&](Status status) { return std::move(status).with("position", fmt::format("{}:{}", file.name(), offset)); };
        if (Status status = scan.take(event); !status.ok()) return placed(std::move(status));
        if (scan.found()) return scan.place();
      }
    }
    return Status(ErrorCode::kSourcePosition,
                  fmt::format("source.start: no transaction at or after {} is in these files", utc_text(time_us)));
  }

  static std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
  size_t index_of(const std::string& name) const {
    size_t i = 0;
    while (i < paths_.size() && name_of(paths_[i]) != name) ++i;
    return i;
  }
  bool at_or_before(const std::string& file, uint64_t offset, const LogPosition& place) const {
    size_t a = index_of(file);
    size_t b = index_of(place.file);
    return a < b || (a == b && offset <= place.offset);
  }

  // The description of the format stands at the start of each file, wherever reading begins.
  Status open_file(uint64_t offset) {
    done_ = false;
    TAILRACE_TRY(LogFile opened, LogFile::open(paths_[index_]));
    file_ = std::make_unique<LogFile>(std::move(opened));
    if (offset <= 4) return Status();
    TAILRACE_TRY(uint64_t size, file_->size());
    if (offset > size) {
      return Status(ErrorCode::kSourcePosition, fmt::format("offset {} is past the end of the file, which has {} bytes", offset, size))
          .with("file", file_->path());
    }
    for (int i = 0; i < 2; ++i) {
      uint64_t at = file_->offset();
      TAILRACE_TRY(std::string_view event, file_->next());
      // Behind the description only the mark of an encrypted file matters.
      if (event.empty() || (i == 1 && event[4] != static_cast<char>(EventType::kMariaStartEncryption))) break;
      assembler_.locate(file_->name(), at);
      TAILRACE_OK(assembler_.take(event));
    }
    file_->seek(offset);
    assembler_.locate(file_->name(), offset);
    return Status();
  }

  Status next_file() {
    if (assembler_.in_open_rows()) {
      return Status(ErrorCode::kSourceTruncated, "the file ends inside a transaction")
          .with("position", fmt::format("{}:{}", file_->name(), file_->offset()))
          .with("file", file_->path());
    }
    constexpr uint64_t kFirstEvent = 4;
    if (file_->offset() == kFirstEvent) {
      return Status(ErrorCode::kSourceTruncated, "the file ends before its first event")
          .with("position", fmt::format("{}:{}", file_->name(), kFirstEvent))
          .with("file", file_->path());
    }
    if (index_ + 1 == paths_.size()) {
      done_ = true;
      return Status();
    }
    ++index_;
    return open_file(4);
  }

  Result<ReadState> hand_out(std::unique_ptr<RawBatch>& out) {
    TAILRACE_TRY(auto batch, assembler_.cut());
    out = std::move(batch);
    return out ? ReadState::kMore : ReadState::kIdle;
  }
  // What is complete goes out before the failure is told.
  Result<ReadState> fail(Status failure, std::unique_ptr<RawBatch>& out) {
    assembler_.drop_open();
    if (!assembler_.has_output()) return failure;
    failure_ = std::move(failure);
    return hand_out(out);
  }

  const std::vector<std::string> paths_;
  const std::map<TableKey, SchemaRef> given_;
  const bool has_given_;
  SchemaTracker schemas_;
  BinlogAssembler assembler_;
  Position start_;
  size_t index_ = 0;
  std::unique_ptr<LogFile> file_;
  const InvalidText invalid_text_;
  bool done_ = false;
  Status failure_;
  std::atomic<bool> interrupted_{false};
};

constexpr OptionSpec kOptions[] = {
    {"files", "int", "1", "how many files to read, counting up from the one named"},
    {"charset", "string", "", "character set of databases that the log does not create, for CREATE TABLE statements that name none"},
    {"schema", "path", "", "SQL file with CREATE TABLE statements, for logs without full row metadata"},
    kInvalidTextOption,
};

// "/logs/binlog.000041" -> "/logs/binlog.000042".
Result<std::string> following(const std::string& path) {
  size_t digits = path.size();
  while (digits > 0 && path[digits - 1] >= '0' && path[digits - 1] <= '9') --digits;
  if (digits == path.size()) return Status(ErrorCode::kConfigBadValue, "files: the file's name does not end in a number: " + path);
  std::string next = path;
  for (size_t i = path.size(); i > digits; --i) {
    if (next[i - 1] != '9') {
      ++next[i - 1];
      return next;
    }
    next[i - 1] = '0';
  }
  return next.insert(digits, "1");
}

Result<std::unique_ptr<Source>> create_binlog(const Options& options, const Url& url, const SourceContext& context) {
  std::vector<std::string> paths;
  const std::string all = url.host + url.path;  // "./x" puts its dot where other URLs have the host
  std::string_view rest = all;
  while (!rest.empty()) {
    size_t comma = rest.find(',');
    if (comma != 0) paths.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  if (paths.empty())
    return Status(ErrorCode::kConfigUrl, "binlog: a path is missing (binlog:///folder/binlog.000042, or binlog://./binlog.000042)");
  for (int64_t i = 1; i < options.integer("files"); ++i) {
    TAILRACE_TRY(std::string next, following(paths.back()));
    paths.push_back(std::move(next));
  }
  std::set<std::string> names;
  for (const std::string& path : paths) {
    std::string name = path.substr(path.rfind('/') + 1);
    if (!is_log_file_name(name))
      return Status(ErrorCode::kConfigUrl, fmt::format("binlog: '{}' is no name that a position can hold", name));
    if (!names.insert(name).second) {
      return Status(ErrorCode::kConfigUrl, fmt::format("binlog: two files named '{}'; positions tell files by their names", name));
    }
  }
  uint16_t collation = options.has("charset") ? default_collation(options.text("charset")) : 0;
  if (options.has("charset") && collation == 0) {
    return Status(ErrorCode::kConfigBadValue, fmt::format("charset: '{}' is no character set of these servers", options.text("charset")));
  }
  std::map<TableKey, SchemaRef> given;
  if (options.has("schema")) {
    const std::string& path = options.text("schema");
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    if (!in) return Status(ErrorCode::kSourceFile, "the schema file cannot be read").with("file", path);
    auto schemas = read_create_tables(text.str());
    if (!schemas.ok()) return std::move(schemas).status().with("file", path);
    for (SchemaRef& schema : *schemas) given[TableKey(schema->database, schema->table)] = std::move(schema);
  }
  return std::unique_ptr<Source>(
      std::make_unique<BinlogFileSource>(std::move(paths), std::move(given), collation, invalid_text_of(options), context));
}

}  // namespace

extern const SourceInfo tailrace_source_binlog;
const SourceInfo tailrace_source_binlog{"binlog", "binary log files of MySQL or MariaDB", kOptions, &create_binlog};

}  // namespace tailrace
