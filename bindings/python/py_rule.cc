// Rules at the desk for Python: case files, checks, captures, replay. No job.
#include <fmt/format.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <utility>

#include "app/wire.h"
#include "mysql/create_table.h"
#include "python/module.h"
#include "python/py_rule_set.h"
#include "python/py_status.h"
#include "python/py_value.h"
#include "rule/rule_chain.h"
#include "rulekit/capture_writer.h"
#include "rulekit/edge_values.h"
#include "rulekit/event_text.h"
#include "rulekit/letter_events.h"
#include "rulekit/rule_check.h"
#include "rulekit/rule_profile.h"
#include "rulekit/rule_replay.h"
#include "rulekit/rule_session.h"
#include "rulekit/script_reader.h"

namespace tailrace::python {
namespace py = pybind11;
using OptionMap = std::map<std::string, std::string>;
namespace {

RuleOptions rule_options(const std::string& file, const OptionMap& options, bool trusted = true) {
  RuleOptions out;
  out.file = file;
  out.options = options;
  out.trusted = trusted;
  std::vector<std::string> files = chain_files(file);
  out.jit = std::none_of(files.begin(), files.end(), is_python_rules);
  return out;
}

// A column that is not in the image is `...`.
py::object row_of(const ChangeEvent& event, Row row) {
  if (row.empty()) return py::none();
  py::dict out;
  for (size_t i = 0; i < row.size(); ++i) {
    const Column& column = event.table->columns[i];
    out[py::str(column.name)] = row[i].is_absent() ? py::object(py::ellipsis()) : value_of(row[i], column);
  }
  return out;
}

py::object optional_bytes(bool has, std::string_view text) { return has ? py::object(py::bytes(text.data(), text.size())) : py::none(); }

py::dict outcome_of(const ChangeEvent& event) {
  py::dict out;
  bool is_record = event.route && event.route->has_payload;
  out["op"] = event.op == Op::kSchemaChange ? "ddl" : std::string(op_name(event.op));
  out["table"] = event.table ? event.table->qualified_name() : "";
  out["text"] = arrow_text(event);
  out["before"] = row_of(event, event.before);
  out["after"] = row_of(event, event.after);
  std::vector<std::string> key;
  for (size_t i = 0; event.table && i < event.table->primary_key.size(); ++i)
    key.push_back(event.table->columns[event.table->primary_key[i]].name);
  out["key"] = key;
  py::dict headers;
  if (event.route) {
    for (const MessageHeader& header : event.route->headers)
      headers[py::str(header.name.data(), header.name.size())] = py::str(header.value.data(), header.value.size());
  }
  out["headers"] = headers;
  bool has_topic = event.route && !event.route->topic.empty();
  out["topic"] = has_topic ? std::string(event.route->topic) : event.output ? event.output->topic : "";
  out["partition_key"] = event.route ? std::string(event.route->partition_key) : "";
  out["message_key"] = optional_bytes(event.route && event.route->has_key, event.route ? event.route->key : std::string_view());
  out["message"] = optional_bytes(is_record, is_record ? event.route->payload : std::string_view());
  return out;
}

py::dict schema_of(const TableSchema& schema) {
  py::list columns;
  for (const Column& column : schema.columns) {
    py::dict one;
    one["name"] = column.name;
    one["type"] = column.type_text;
    one["nullable"] = column.nullable;
    one["plain"] = plain_value(column);
    one["edges"] = edge_values(column);
    one["lua"] = column.kind == Kind::kDecimal                                                       ? "decimal"
                 : column.kind == Kind::kDouble                                                      ? "number"
                 : column.type_name == "bigint" || (column.kind == Kind::kBit && column.length > 32) ? "bigint"
                 : column.kind == Kind::kInt || column.kind == Kind::kUint || column.kind == Kind::kYear || column.kind == Kind::kBit
                     ? "number"
                     : "string";
    columns.append(one);
  }
  py::dict out;
  out["database"] = schema.database;
  out["table"] = schema.table;
  out["columns"] = columns;
  std::vector<std::string> key;
  for (uint16_t i : schema.primary_key) key.push_back(schema.columns[i].name);
  out["key"] = key;
  out["create"] = create_table_text(schema, Charsets::kLeftOut);
  return out;
}

py::list read_case(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) raise(Status(ErrorCode::kRuleCase, path + " cannot be read"));
  ScriptReader reader(in);
  py::list out;
  for (;;) {
    auto item = reader.next();
    if (!item.ok()) raise(Status(ErrorCode::kRuleCase, path + ": " + item.status().detail()));
    const char* kind = "statement";
    switch (item->kind) {
      case ScriptItem::Kind::kEnd: return out;
      case ScriptItem::Kind::kStatement: break;
      case ScriptItem::Kind::kArrow: kind = "arrow"; break;
      case ScriptItem::Kind::kOptions: kind = "options"; break;
      case ScriptItem::Kind::kCapture: kind = "capture"; break;
    }
    out.append(py::make_tuple(kind, item->text, item->line, item->last_line));
  }
}

class PySession {
 public:
  PySession(const std::string& file, const OptionMap& options, const std::string& script, bool trusted)
      : session_(take(without_gil([&] { return RuleSession::open(python_rule_kit(), rule_options(file, options, trusted), script); }))) {}
  py::list run(const std::string& sql, uint32_t line) {
    auto batch = take(without_gil([&] { return session_->run(sql, line); }));
    py::list out;
    for (const ChangeEvent& event : batch->events) out.append(outcome_of(event));
    return out;
  }
  void begin_capture() { session_->begin_capture(); }
  void finish() {
    check(without_gil([&] { return session_->finish(); }));
  }
  py::list tables() const {
    py::list out;
    for (const SchemaRef& schema : session_->tables()) out.append(schema_of(*schema));
    return out;
  }
  // Source table, and the target's schema or None where the table is dropped.
  py::list outputs() {
    py::list out;
    for (const SchemaRef& schema : session_->tables()) {
      auto target = take(session_->output(schema));
      out.append(py::make_tuple(schema->qualified_name(), target ? py::object(schema_of(*target->schema)) : py::none()));
    }
    return out;
  }
  std::vector<std::string> unmatched() const { return session_->unmatched(); }
  std::string version() const { return session_->version(); }

 private:
  std::unique_ptr<RuleSession> session_;
};

py::dict check_file(const std::string& file, const OptionMap& options, const std::string& ddl, const std::string& job) {
  std::vector<SchemaRef> schemas;
  auto report = take(without_gil([&]() -> Result<CheckReport> {
    if (!ddl.empty()) {
      TAILRACE_TRY(schemas, read_create_tables(ddl));
    } else if (!job.empty()) {
      TAILRACE_TRY(schemas, job_schemas(job));
    }
    std::vector<std::string> formats;
    for (const PluginDoc& plugin : list_plugins()) {
      if (plugin.kind == "format") formats.push_back(plugin.name);
    }
    return check_rules(python_rule_kit(), rule_options(file, options), schemas, formats);
  }));
  py::list findings, tables, sources;
  for (const CheckFinding& found : report.findings) {
    py::dict one;
    one["is_error"] = found.is_error;
    one["code"] = found.code;
    one["text"] = found.text;
    one["table"] = found.table;
    one["pattern"] = found.pattern;
    one["name"] = found.name;
    one["file"] = found.file;
    findings.append(one);
  }
  for (const CheckedTable& table : report.tables) {
    py::dict one;
    one["source"] = table.source;
    one["pattern"] = table.pattern;
    one["target"] = table.target;
    one["create"] = table.create;
    one["map"] = table.has_map;
    one["row"] = table.has_row;
    one["purity"] = table.purity;
    one["reads"] = table.reads;
    one["rows"] = table.rows;
    one["file"] = table.file;
    one["is_last"] = table.is_last;
    one["names_target"] = table.names_target;
    tables.append(one);
  }
  for (const SchemaRef& schema : schemas) sources.append(schema_of(*schema));
  py::dict out;
  out["version"] = report.version;
  out["findings"] = findings;
  out["tables"] = tables;
  out["sources"] = sources;
  out["options"] = report.options;
  return out;
}

// RULE-0101 when an option that a job would keep as it is written is a secret of the file. Other mistakes are for the job to tell.
void check_secrets(const std::string& file, const OptionMap& options) {
  RuleOptions given = rule_options(file, options);
  for (const auto& [name, value] : options) {
    if (!is_reference(value)) given.in_clear.insert(name);
  }
  Status status = without_gil([&] { return python_rule_kit().load(given).status(); });
  if (status.ok()) return;
  const auto& places = status.context();
  if (std::any_of(places.begin(), places.end(), [](const auto& place) { return place.first == "option"; })) raise(status);
}

StreamConfig raw_stream(const std::string& url, const OptionMap& options, const std::vector<std::string>& tables,
                        const std::string& start) {
  StreamConfig config;
  config.source = {url, options};
  config.tables = tables;
  config.is_raw = true;
  config.start = start;
  return config;
}

// The events of a log file; of a server until it has been silent for some seconds.
class StreamEvents {
 public:
  // `until`: id of the last transaction; "" = all there are.
  static Result<std::unique_ptr<StreamEvents>> open(const StreamConfig& config, const std::string& until = "") {
    std::unique_ptr<StreamEvents> events(new StreamEvents);
    events->until_ = until;
    TAILRACE_TRY(events->reader_, open_stream(config));
    return events;
  }
  Result<std::shared_ptr<const EventBatch>> next() {
    constexpr std::chrono::seconds kSilence{3};
    if (is_over_) return std::shared_ptr<const EventBatch>();
    TAILRACE_TRY(auto batch, reader_->next(kSilence));
    if (batch) batch->charge.reset();
    if (!until_.empty() && !batch) {
      return Status(ErrorCode::kRuleCase, fmt::format("the log ended before transaction {} came", until_));
    }
    for (uint32_t i = 0; !until_.empty() && !is_over_ && i < batch->txns.size(); ++i) {
      if (batch->txns[i].id != until_ || !batch->txns[i].ends_here) continue;
      std::erase_if(batch->events, [&](const ChangeEvent& event) { return event.txn > i; });
      is_over_ = true;
    }
    return std::shared_ptr<const EventBatch>(std::move(batch));
  }

 private:
  std::unique_ptr<StreamReader> reader_;
  std::string until_;
  bool is_over_ = false;
};

// What a replay goes over: letters, else a file of statements, else a source.
struct ReplayInput {
  std::vector<std::string> letters;
  std::string path;
  StreamConfig stream;
  std::string until;
};

Result<ReplayReport> replay(RuleStage* old, RuleStage& now, const ReplayInput& input, size_t examples) {
  if (!input.letters.empty()) {
    TAILRACE_TRY(auto batch, read_letters(input.letters));
    return replay_rules(
        old, now, [&] { return Result<std::shared_ptr<const EventBatch>>(std::exchange(batch, nullptr)); }, examples);
  }
  const std::string& path = input.path;
  if (!path.empty()) {
    TAILRACE_TRY(auto events, ScriptEvents::open(path));
    return replay_rules(
        old, now, [&] { return events->next(); }, examples);
  }
  TAILRACE_TRY(auto events, StreamEvents::open(input.stream, input.until));
  return replay_rules(
      old, now, [&] { return events->next(); }, examples);
}

py::dict replay_files(const std::string& file, const OptionMap& options, const std::string& old_file, const OptionMap& old_options,
                      const std::string& path, const std::string& url, const OptionMap& source_options,
                      const std::vector<std::string>& tables, const std::string& start, size_t examples, const std::string& until,
                      const std::vector<std::string>& letters) {
  std::string version, old_version;
  auto report = take(without_gil([&]() -> Result<ReplayReport> {
    RuleKit kit = python_rule_kit();
    TAILRACE_TRY(auto now, kit.stage(rule_options(file, options)));
    version = now->version();
    std::unique_ptr<RuleStage> old;
    if (!old_file.empty()) {
      TAILRACE_TRY(old, kit.stage(rule_options(old_file, old_options)));
      old_version = old->version();
    }
    return replay(old.get(), *now, {letters, path, raw_stream(url, source_options, tables, start), until}, examples);
  }));
  py::dict tables_out;
  for (const auto& [name, table] : report.tables) {
    py::dict one;
    one["same"] = table.same;
    one["added"] = table.added;
    one["dropped"] = table.dropped;
    one["changed"] = table.changed;
    one["errors"] = table.errors;
    one["columns"] = table.columns;
    tables_out[py::str(name)] = one;
  }
  py::list shown;
  for (const ReplayExample& example : report.examples) {
    py::dict one;
    one["table"] = example.table;
    one["kind"] = example.kind;
    one["key"] = example.key;
    one["gtid"] = example.gtid;
    one["column"] = example.column;
    one["before"] = example.before;
    one["after"] = example.after;
    shown.append(one);
  }
  py::dict out;
  out["version"] = version;
  out["old_version"] = old_version;
  out["events"] = report.events;
  out["tables"] = tables_out;
  out["examples"] = shown;
  out["hash"] = report.new_hash;
  out["old_hash"] = report.old_hash;
  return out;
}

Result<std::map<std::string, ProfiledTable>> profile(RuleStage& stage, const std::string& path, const StreamConfig& stream) {
  if (!path.empty()) {
    TAILRACE_TRY(auto events, ScriptEvents::open(path));
    return profile_rules(stage, [&] { return events->next(); });
  }
  TAILRACE_TRY(auto events, StreamEvents::open(stream));
  return profile_rules(stage, [&] { return events->next(); });
}

py::dict profile_file(const std::string& file, const OptionMap& options, const std::string& path, const std::string& url,
                      const OptionMap& source_options, const std::vector<std::string>& tables, const std::string& start) {
  std::string version;
  auto found = take(without_gil([&]() -> Result<std::map<std::string, ProfiledTable>> {
    TAILRACE_TRY(auto stage, python_rule_kit().stage(rule_options(file, options)));
    version = stage->version();
    return profile(*stage, path, raw_stream(url, source_options, tables, start));
  }));
  py::dict rows;
  for (const auto& [name, table] : found) {
    py::dict one;
    one["target"] = table.target;
    one["in"] = table.in;
    one["out"] = table.out;
    one["errors"] = table.errors;
    one["ns"] = table.ns;
    rows[py::str(name)] = one;
  }
  py::dict out;
  out["version"] = version;
  out["tables"] = rows;
  return out;
}

// Writes a capture from a stream, step by step so that Python can stop in between.
class PyCapture {
 public:
  PyCapture(const std::string& path, const std::string& url, const OptionMap& options, const std::vector<std::string>& tables,
            const std::string& start, uint64_t per_table, const std::vector<std::string>& cover, const std::vector<std::string>& masks,
            const std::vector<std::string>& sensitive) {
    CaptureOptions capture;
    capture.per_table = per_table;
    capture.cover.insert(cover.begin(), cover.end());
    for (const std::string& mask : masks) capture.masks.push_back(take(parse_capture_mask(mask)));
    capture.sensitive = sensitive;
    reader_ = take(without_gil([&] { return open_stream(raw_stream(url, options, tables, start)); }));
    out_.open(path, std::ios::binary | std::ios::trunc);
    if (!out_) raise(Status(ErrorCode::kRuleCase, path + " cannot be written"));
    writer_ = std::make_unique<CaptureWriter>(out_, std::move(capture));
  }
  // True: something came.
  bool step(int64_t timeout_ms) {
    return take(without_gil([&]() -> Result<bool> {
      TAILRACE_TRY(auto batch, reader_->next(std::chrono::milliseconds(timeout_ms)));
      if (!batch) return false;
      seen_ += batch->events.size();
      TAILRACE_OK(writer_->add(*batch));
      return true;
    }));
  }
  void close() {
    out_.flush();
    if (!out_) raise(Status(ErrorCode::kRuleCase, "the capture cannot be written to its end"));
  }
  bool ended() const { return reader_->ended(); }
  uint64_t seen() const { return seen_; }
  uint64_t events() const { return writer_->events(); }
  std::map<std::string, uint64_t> tables() const { return writer_->tables(); }
  std::vector<std::string> unused_masks() const { return writer_->unused_masks(); }

 private:
  std::unique_ptr<StreamReader> reader_;
  std::ofstream out_;
  std::unique_ptr<CaptureWriter> writer_;
  uint64_t seen_ = 0;
};

// A span of a server's binary log, step by step likewise.
class PyLogCapture {
 public:
  PyLogCapture(const std::string& folder, const std::string& url, const OptionMap& options, const std::vector<std::string>& tables,
               const std::string& start)
      : capture_(take(without_gil([&] { return record_log(raw_stream(url, options, tables, start), folder); }))) {}
  bool step(int64_t timeout_ms) {
    return take(without_gil([&] { return capture_->step(std::chrono::milliseconds(timeout_ms)); }));
  }
  void close() {
    check(without_gil([&] { return capture_->close(); }));
  }
  const LogCapture& capture() const { return *capture_; }

 private:
  std::unique_ptr<LogCapture> capture_;
};

}  // namespace

void bind_rules(py::module_& m) {
  m.def("read_case", &read_case, py::arg("path"));
  m.def("check_rules", &check_file, py::kw_only(), py::arg("file"), py::arg("options"), py::arg("ddl"), py::arg("job"));
  m.def("check_secrets", &check_secrets, py::arg("file"), py::arg("options"));
  m.def("replay_rules", &replay_files, py::kw_only(), py::arg("file"), py::arg("options"), py::arg("old_file"), py::arg("old_options"),
        py::arg("path"), py::arg("url"), py::arg("source_options"), py::arg("tables"), py::arg("start"), py::arg("examples"),
        py::arg("until") = "", py::arg("letters") = std::vector<std::string>());
  m.def("profile_rules", &profile_file, py::kw_only(), py::arg("file"), py::arg("options"), py::arg("path"), py::arg("url"),
        py::arg("source_options"), py::arg("tables"), py::arg("start"));
  py::class_<PySession>(m, "RuleSession")
      .def(py::init<const std::string&, const OptionMap&, const std::string&, bool>(), py::kw_only(), py::arg("file"), py::arg("options"),
           py::arg("script"), py::arg("trusted"))
      .def("run", &PySession::run, py::arg("sql"), py::arg("line"))
      .def("begin_capture", &PySession::begin_capture)
      .def("finish", &PySession::finish)
      .def("tables", &PySession::tables)
      .def("outputs", &PySession::outputs)
      .def_property_readonly("unmatched", &PySession::unmatched)
      .def_property_readonly("version", &PySession::version);
  py::class_<PyLogCapture>(m, "LogCapture")
      .def(py::init<const std::string&, const std::string&, const OptionMap&, const std::vector<std::string>&, const std::string&>(),
           py::kw_only(), py::arg("folder"), py::arg("url"), py::arg("options"), py::arg("tables"), py::arg("start"))
      .def("step", &PyLogCapture::step, py::arg("timeout_ms"))
      .def("close", &PyLogCapture::close)
      .def_property_readonly("transactions", [](const PyLogCapture& self) { return self.capture().transactions(); })
      .def_property_readonly("bytes", [](const PyLogCapture& self) { return self.capture().bytes(); })
      .def_property_readonly("files", [](const PyLogCapture& self) { return self.capture().files(); })
      .def_property_readonly("knows_columns", [](const PyLogCapture& self) { return self.capture().knows_columns(); });
  py::class_<PyCapture>(m, "Capture")
      .def(py::init<const std::string&, const std::string&, const OptionMap&, const std::vector<std::string>&, const std::string&, uint64_t,
                    const std::vector<std::string>&, const std::vector<std::string>&, const std::vector<std::string>&>(),
           py::kw_only(), py::arg("path"), py::arg("url"), py::arg("options"), py::arg("tables"), py::arg("start"), py::arg("per_table"),
           py::arg("cover"), py::arg("masks"), py::arg("sensitive"))
      .def("step", &PyCapture::step, py::arg("timeout_ms"))
      .def("close", &PyCapture::close)
      .def_property_readonly("ended", &PyCapture::ended)
      .def_property_readonly("seen", &PyCapture::seen)
      .def_property_readonly("events", &PyCapture::events)
      .def_property_readonly("tables", &PyCapture::tables)
      .def_property_readonly("unused_masks", &PyCapture::unused_masks);
}

}  // namespace tailrace::python
