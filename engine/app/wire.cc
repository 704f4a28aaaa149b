#include "app/wire.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/endpoints.h"
#include "bindings/lua/lua_rule_stage.h"
#include "format/ruled_serializer.h"
#include "source/log_recorder.h"

namespace tailrace {
namespace {

template <class Info>
std::string names_of(std::span<const Info* const> table) {
  std::string out;
  for (const Info* info : table) out.append(out.empty() ? "" : ", ").append(info->name);
  return out;
}

template <class Info>
Result<const Info*> find_plugin(std::string_view kind, std::span<const Info* const> table, std::string_view name) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  for (const Info* info : table) {
    auto same = [&](char a, char b) { return lower(a) == lower(b); };
    if (std::equal(info->name.begin(), info->name.end(), name.begin(), name.end(), same)) return info;
  }
  std::vector<std::string> names;
  for (const Info* info : table) names.emplace_back(info->name);
  std::string near = nearest_name(name, names);
  return Status(ErrorCode::kConfigUnknownPlugin,
                fmt::format("{} '{}'{}; this build has: {}", kind, name, near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near),
                            names_of(table)));
}

bool names_option(std::span<const OptionSpec> specs, std::string_view name) {
  return std::any_of(specs.begin(), specs.end(), [&](const OptionSpec& spec) { return spec.name == name; });
}

// Splits an endpoint into its URL (with the password put back) and the options of its table.
struct Endpoint {
  Url url;
  std::map<std::string, std::string> options;
};
Result<Endpoint> split(const EndpointConfig& config) {
  Endpoint out;
  TAILRACE_TRY(out.url, parse_url(config.url));
  out.options = config.options;
  for (const auto& [key, value] : out.url.query) out.options.emplace(key, value);
  if (auto it = out.options.find("password"); it != out.options.end()) {
    out.url.password = it->second;
    out.url.has_password = true;
    out.options.erase(it);
  }
  if (out.options.contains("user")) {
    return Status(ErrorCode::kConfigUnknownKey, fmt::format("user: it stands in the URL, as in {}://NAME@host", out.url.scheme));
  }
  if (out.url.scheme == "mariadb") out.url.scheme = "mysql";
  return out;
}

}  // namespace

Result<std::unique_ptr<Source>> make_source(const EndpointConfig& config, const SourceContext& context) {
  TAILRACE_TRY(Endpoint endpoint, split(config));
  TAILRACE_TRY(const SourceInfo* info, find_plugin("source", builtin_sources(), endpoint.url.scheme));
  TAILRACE_TRY(Options options, Options::parse("source", info->options, endpoint.options, {"url", "password", "start"}));
  return info->create(options, endpoint.url, context);
}

namespace {

class ServerLogCapture final : public LogCapture {
 public:
  explicit ServerLogCapture(std::unique_ptr<LogRecorder> recorder) : recorder_(std::move(recorder)) {}
  Result<bool> step(std::chrono::milliseconds timeout) override { return recorder_->step(timeout); }
  Status close() override { return recorder_->close(); }
  uint64_t transactions() const override { return recorder_->transactions(); }
  uint64_t bytes() const override { return recorder_->bytes(); }
  std::vector<std::string> files() const override { return recorder_->files(); }
  bool knows_columns() const override { return recorder_->has_schema() || recorder_->names_columns(); }

 private:
  std::unique_ptr<LogRecorder> recorder_;
};

}  // namespace

Result<std::unique_ptr<LogCapture>> record_log(const StreamConfig& config, const std::string& folder) {
  EndpointConfig source = config.source;
  for (auto& [key, value] : source.options) {
    TAILRACE_TRY(value, resolve_references(value));
  }
  TAILRACE_TRY(Endpoint endpoint, split(source));
  if (endpoint.url.scheme != "mysql") {
    return Status(ErrorCode::kConfigUrl,
                  fmt::format("{}: the binary log of a MySQL or MariaDB server can be kept, of nothing else", endpoint.url.scheme));
  }
  TAILRACE_TRY(const SourceInfo* info, find_plugin("source", builtin_sources(), endpoint.url.scheme));
  TAILRACE_TRY(Options options, Options::parse("source", info->options, endpoint.options, {"url", "password", "start"}));
  TAILRACE_TRY(auto hosts, host_options(endpoint.url, options));
  TAILRACE_TRY(TableFilter tables, TableFilter::parse(config.tables));
  TAILRACE_TRY(StartPoint start, parse_start_point(config.start.empty() ? "now" : config.start));
  TAILRACE_TRY(auto recorder, LogRecorder::open(hosts.front(), start, tables, folder));
  return std::unique_ptr<LogCapture>(std::make_unique<ServerLogCapture>(std::move(recorder)));
}

Result<std::unique_ptr<Sink>> make_sink(const EndpointConfig& config, std::string_view format, std::unique_ptr<Serializer>& serializer) {
  TAILRACE_TRY(Endpoint endpoint, split(config));
  TAILRACE_TRY(const SinkInfo* info, find_plugin("sink", builtin_sinks(), endpoint.url.scheme));
  std::map<std::string, std::string> sink_options, format_options;
  const FormatInfo* format_info = nullptr;
  if (!format.empty()) {
    TAILRACE_TRY(format_info, find_plugin("format", builtin_formats(), format));
  }
  for (auto& [key, value] : endpoint.options) {
    bool of_format = format_info && !names_option(info->options, key) && names_option(format_info->options, key);
    (of_format ? format_options : sink_options)[key] = value;
  }
  std::vector<std::string> others{"url", "password", "format"};
  if (format_info) {
    for (const OptionSpec& spec : format_info->options) others.emplace_back(spec.name);
  }
  TAILRACE_TRY(Options options, Options::parse("sink", info->options, sink_options, others));
  TAILRACE_TRY(auto sink, info->create(options, endpoint.url));
  if (!sink->caps().wants_records) {
    if (format_info) {
      return Status(ErrorCode::kConfigBadValue, fmt::format("sink.format: {} takes rows, not messages; leave it out", info->name));
    }
    return sink;
  }
  if (!format_info) {
    TAILRACE_TRY(format_info, find_plugin("format", builtin_formats(), "default"));
  }
  TAILRACE_TRY(Options parsed, Options::parse("sink", format_info->options, format_options));
  TAILRACE_TRY(auto format_of_sink, format_info->create(parsed));
  if (format_of_sink->wants_topics() && !sink->caps().has_topics && format_options.count("subject_topics") == 0) {
    return Status(
        ErrorCode::kConfigBadValue,
        fmt::format("sink.subject_naming: {} has no topics; record_name, `subject`, or subject_topics = name,name expected", info->name));
  }
  if (format_of_sink->marks_transactions() && !sink->caps().has_topics) {
    return Status(ErrorCode::kConfigBadValue, fmt::format("sink.transaction_marks: {} does not write them; kafka does", info->name));
  }
  serializer = std::make_unique<RuledSerializer>(std::move(format_of_sink));
  return sink;
}

JobFactories make_factories() { return make_factories(lua_rules()); }

JobFactories make_factories(const RuleKit& one_file) {
  auto rules = [kit = with_chains(one_file)](const RuleStageConfig& given) -> Result<std::unique_ptr<RuleStage>> {
    RuleStageConfig config = given;
    for (const FormatInfo* format : builtin_formats()) config.formats.emplace_back(format->name);
    TAILRACE_TRY(auto loaded, kit.load(config.rules));
    return kit.make_stage(std::move(loaded), config);
  };
  return JobFactories{make_source, make_sink, rules};
}

RuleKit lua_rules() {
  return RuleKit{
      [](const RuleOptions& options) { return load_rules(options); },
      [](std::shared_ptr<const RuleSet> rules, const RuleStageConfig& config) { return make_rule_stage(std::move(rules), config); }};
}

RuleKit make_rule_kit() { return with_chains(lua_rules()); }

Result<std::vector<SchemaRef>> job_schemas(const std::string& path) {
  TAILRACE_TRY(auto file, JobFile::open(path, JobFile::Mode::kRead));
  TAILRACE_TRY(auto entries, file->load_all());
  std::map<std::string, SchemaRef> last;
  for (SchemaStore::Entry& entry : entries) {
    if (entry.table.empty()) continue;
    SchemaRef schema = std::move(entry.schema);
    if (!schema && !entry.schema_json.empty()) {
      TAILRACE_TRY(schema, schema_from_json(entry.schema_json));
    }
    std::string name = entry.database + "." + entry.table;
    if (schema) last[name] = std::move(schema);
    else last.erase(name);
  }
  std::vector<SchemaRef> out;
  for (auto& [name, schema] : last) out.push_back(std::move(schema));
  return out;
}

std::vector<PluginDoc> list_plugins() {
  std::vector<PluginDoc> out;
  auto add = [&](std::string_view kind, auto table) {
    for (const auto* info : table) {
      out.push_back({std::string(kind), std::string(info->name), std::string(info->doc), {info->options.begin(), info->options.end()}});
    }
  };
  add("source", builtin_sources());
  add("sink", builtin_sinks());
  add("format", builtin_formats());
  return out;
}

}  // namespace tailrace
