// What `tailrace doctor` looks at: the parts of a run, made and opened as the run would, with nothing written.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "app/endpoints.h"

namespace tailrace {
namespace {

class Doctor {
 public:
  bool found(std::string name, std::string detail, const Status& status) {
    items_.push_back({std::move(name), status.ok() ? std::move(detail) : "", status, false});
    return status.ok();
  }
  void look_at(std::string name, std::string detail) { items_.push_back({std::move(name), std::move(detail), Status(), true}); }
  std::vector<CheckItem> items() && { return std::move(items_); }

  void check(const JobConfig& config) {
    auto filter = TableFilter::parse(config.tables);
    if (!filter.ok()) {
      found("tables", "", filter.status());
      return;
    }
    check_sources(config, *filter);
    if (listed_) check_patterns(config.tables);
    SinkCaps caps;
    bool has_sink = check_sink(config, caps);
    if (has_sink && !config.rules.file.empty()) check_rules(config.rules, caps);
  }

  static Result<EndpointConfig> resolved(EndpointConfig endpoint) {
    for (auto& [key, value] : endpoint.options) {
      TAILRACE_TRY(value, resolve_references(value));
    }
    return endpoint;
  }

  // Login, log and tables of one address.
  void check_source(const EndpointConfig& endpoint, const TableFilter& filter, const PipelineOptions& phases, const std::string& start,
                    const std::string& label) {
    MemorySchemaStore schemas;
    EndpointConfig quiet = endpoint;
    quiet.options.erase("heartbeat");  // it would be written
    quiet.options.erase("heartbeat_interval");
    auto source = make_source(quiet, SourceContext{&filter, &schemas, phases.spill_dir, phases.stream});
    if (!source.ok()) {
      found("configuration", "", source.status());
      return;
    }
    std::optional<Position> from;
    if (!start.empty() && start != "now") from = Position{"", start};
    Status opened = (*source)->open(from);
    std::string log = phases.stream ? "log" + label : "login" + label;
    std::string place = opened.ok() ? (*source)->start_position().text : "";
    if (!found(log, phases.stream ? "can be read from " + place : "can be copied; no log is wanted", opened)) return;
    auto reader = (*source)->snapshot_reader();
    if (!reader.ok() && reader.status().code() == ErrorCode::kSourceUnsupported && !phases.snapshot) {
      found("tables" + label, "known from the log as it is read", Status());
      return;
    }
    if (!reader.ok()) {
      found("snapshot" + label, "", reader.status());
      return;
    }
    auto tables = (*reader)->tables();
    if (!found("tables" + label, tables.ok() ? fmt::format("{} readable", tables->size()) : "", tables.status())) return;
    listed_ = true;
    if (phases.stream) {
      auto unlogged = (*reader)->unlogged_changes(*tables);
      if (!unlogged.ok()) look_at("foreign keys" + label, "were not looked at: " + unlogged.status().to_string());
      else
        for (const std::string& change : *unlogged)
          look_at(change.substr(0, change.find(':')) + label, change.substr(change.find(':') + 2));
    }
    if (!tables_.empty()) return;
    for (const SnapshotTable& table : *tables) tables_.push_back(table.schema);
  }

 private:
  void check_sources(const JobConfig& config, const TableFilter& filter) {
    auto source = resolved(config.source);
    if (!source.ok()) {
      found("configuration", "", source.status());
      return;
    }
    if (auto secret = config.secrets.find("source.password"); secret != config.secrets.end()) source->options["password"] = secret->second;
    auto url = parse_url(source->url);
    std::string hosts = url.ok() ? url->host : "";
    bool server = url.ok() && (url->scheme == "mysql" || url->scheme == "mariadb");
    if (!server || hosts.find(',') == std::string::npos) return check_source(*source, filter, config.pipeline, config.start, "");
    for (size_t begin = 0; begin <= hosts.size();) {
      size_t end = std::min(hosts.find(',', begin), hosts.size());
      std::string host = hosts.substr(begin, end - begin);
      begin = end + 1;
      EndpointConfig one = *source;
      one.url.replace(one.url.find(hosts), hosts.size(), host);
      check_source(one, filter, config.pipeline, config.start, " of " + host);
    }
  }

  void check_patterns(const std::vector<std::string>& patterns) {
    for (const std::string& pattern : patterns) {
      if (pattern.rfind('!', 0) == 0) continue;
      auto alone = TableFilter::parse(std::span(&pattern, 1));
      if (!alone.ok()) continue;  // told for the whole list
      auto count = std::count_if(tables_.begin(), tables_.end(), [&](const SchemaRef& t) { return alone->matches(t->database, t->table); });
      std::string name = fmt::format("tables \"{}\"", pattern);
      if (count) found(name, fmt::format("{} tables", count), Status());
      else look_at(name, "matches no table now: is it misspelt?");
    }
  }

  bool check_sink(const JobConfig& config, SinkCaps& caps) {
    auto endpoint = resolved(config.sink);
    if (!endpoint.ok()) return found("sink", "", endpoint.status());
    if (auto secret = config.secrets.find("sink.password"); secret != config.secrets.end()) endpoint->options["password"] = secret->second;
    std::unique_ptr<Serializer> serializer;
    auto sink = make_sink(*endpoint, config.format, serializer);
    if (!sink.ok()) return found("sink", "", sink.status());
    caps = (*sink)->caps();
    auto url = parse_url(endpoint->url);
    if (!url.ok()) return found("sink", "", url.status());
    bool is_path = url->scheme == "sqlite" || url->scheme == "file";
    if (!is_path) return found("sink", redact_url(endpoint->url) + ": its options are accepted; it was not opened", Status());
    std::filesystem::path path = url->host + url->path;
    std::error_code none;
    bool exists = std::filesystem::exists(path, none);
    std::filesystem::path asked = exists ? path : path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    bool writable = ::access(asked.c_str(), W_OK) == 0;
    std::string why = std::filesystem::exists(asked, none) ? "it cannot be written" : "there is no such folder";
    Status status = writable ? Status() : Status(ErrorCode::kSinkOpen, why).with("path", asked.string());
    return found("sink", fmt::format("{} {}", path.string(), exists ? "is there and can be written" : "can be made"), status);
  }

  void check_rules(const RuleOptions& given, const SinkCaps& caps) {
    RuleStageConfig config;
    config.rules = given;
    for (auto& [name, value] : config.rules.options) {
      if (!is_reference(value)) config.rules.in_clear.insert(name);
      auto text = resolve_references(value);
      if (!text.ok()) {
        found("rules", "", text.status());
        return;
      }
      value = *text;
    }
    config.sink_detects_collisions = caps.detects_collisions;
    config.sink_takes_messages = config.writes_statements = caps.wants_records;
    auto stage = make_factories().rules(config);
    if (!found("rules", stage.ok() ? fmt::format("{} loads", (*stage)->version()) : "", stage.status())) return;
    if (!listed_) return;
    size_t dropped = 0;
    for (const SchemaRef& table : tables_) {
      auto output = (*stage)->output(table);
      if (!output.ok()) {
        found("rules for " + table->qualified_name(), "", output.status());
        return;
      }
      dropped += !*output;
    }
    found("rules", fmt::format("take {} tables, {} of them dropped", tables_.size(), dropped), Status());
    for (const std::string& pattern : (*stage)->unmatched(tables_)) {
      look_at(fmt::format("rules tables[\"{}\"]", pattern), "matches no table now: is it misspelt, or left out by `tables`?");
    }
  }

  std::vector<CheckItem> items_;
  std::vector<SchemaRef> tables_;
  bool listed_ = false;  // the source told its tables
};

}  // namespace

std::vector<CheckItem> check_source(const EndpointConfig& endpoint) {
  Doctor doctor;
  auto resolved = Doctor::resolved(endpoint);
  auto filter = TableFilter::parse(std::vector<std::string>{"*.*"});
  if (!doctor.found("configuration", redact_url(endpoint.url), resolved.status())) return std::move(doctor).items();
  PipelineOptions phases;
  phases.snapshot = false;  // files have no tables to copy, and nobody said that they are to be copied
  doctor.check_source(*resolved, *filter, phases, "", "");
  return std::move(doctor).items();
}

std::vector<CheckItem> check_job(std::string_view config_json, const std::map<std::string, std::string>& secrets) {
  Doctor doctor;
  auto config = JobConfig::parse(config_json);
  if (doctor.found("configuration", "is understood", config.status())) {
    for (const auto& [key, value] : secrets) config->secrets[key] = value;
    doctor.check(*config);
  }
  return std::move(doctor).items();
}

}  // namespace tailrace
