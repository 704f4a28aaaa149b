#include "job/job_config.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "event/start_point.h"

namespace tailrace {
namespace {

using nlohmann::json;

Status bad_value(std::string_view key, std::string_view expected) {
  return Status(ErrorCode::kConfigBadValue, fmt::format("{}: {} expected", key, expected));
}

Status check_keys(std::string_view where, const json& object, const std::vector<std::string>& known) {
  if (!object.is_object()) return bad_value(where, "a table");
  for (const auto& item : object.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    std::string near = nearest_name(item.key(), known);
    std::string full = where.empty() ? item.key() : fmt::format("{}.{}", where, item.key());
    return Status(ErrorCode::kConfigUnknownKey, near.empty() ? full : fmt::format("{} (did you mean '{}'?)", full, near))
        .with("key", item.key());
  }
  return {};
}

Result<std::string> scalar(std::string_view key, const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return std::string(value.get<bool>() ? "true" : "false");
  if (value.is_number()) return value.dump();
  if (value.is_array()) {
    std::string joined;
    for (const json& item : value) {
      if (!item.is_string()) return bad_value(key, "a list of strings");
      joined.append(joined.empty() ? "" : ",").append(item.get<std::string>());
    }
    return joined;
  }
  return bad_value(key, "a string, number, true or false");
}

bool has_reference(std::string_view text) { return text.find("${") != std::string_view::npos; }

bool holds_password(std::string_view key, std::string_view text) {
  if (key.ends_with("_password")) return !text.empty();
  if (text.find("://") == std::string_view::npos) return false;
  auto url = parse_url(text);
  return url.ok() && url->has_password;
}

// Fills `out` and takes literal passwords out of `node`, which becomes part of the stored form.
Status parse_endpoint(std::string_view where, json& node, EndpointConfig& out, JobConfig& config) {
  if (node.is_string()) node = json{{"url", node}};
  if (!node.is_object()) return bad_value(where, "a table with url");
  if (!node.contains("url") || !node.at("url").is_string()) {
    return Status(ErrorCode::kConfigMissing, fmt::format("{}.url", where));
  }
  std::string url = node.at("url").get<std::string>();
  TAILRACE_TRY(Url parsed, parse_url(url));
  if (parsed.has_password) {
    config.secrets[fmt::format("{}.password", where)] = parsed.password;
    size_t begin = url.find("://") + 3;
    size_t at = url.rfind('@', url.find('/', begin));
    size_t colon = url.find(':', begin);
    url.erase(colon, at - colon);
    node["url"] = url;
  }
  out.url = url;
  std::vector<std::string> literal;
  for (auto& [key, value] : node.items()) {
    if (key == "url") continue;
    std::string name = fmt::format("{}.{}", where, key);
    TAILRACE_TRY(std::string text, scalar(name, value));
    if (key == "password" && !has_reference(text)) {
      config.secrets[name] = text;
      literal.push_back(key);
      continue;
    }
    if (!is_reference(text) && holds_password(key, text)) {
      return Status(
          ErrorCode::kConfigBadValue,
          fmt::format("{}: a job keeps only a reference to a password; write ${{env:NAME}} or ${{file:PATH}} in its place", name));
    }
    out.options[key] = std::move(text);
  }
  for (const std::string& key : literal) node.erase(key);
  return {};
}

// One file, or a list of them, each of which takes what the one before it gave.
Result<std::string> rule_files(const json& node) {
  if (!node.is_array()) return scalar("rules.file", node);
  if (node.empty()) return bad_value("rules.file", "a file or a list of files; leave it out for none");
  std::string out;
  for (const json& item : node) {
    TAILRACE_TRY(std::string file, scalar("rules.file", item));
    if (file.empty() || file.find('\n') != std::string::npos) return bad_value("rules.file", "names of files");
    out += (out.empty() ? "" : "\n") + file;
  }
  return out;
}

Status parse_rules(json& node, RuleOptions& out) {
  if (node.is_string() || node.is_array()) node = json{{"file", node}};
  TAILRACE_OK(check_keys("rules", node, {"file", "options", "memory", "on_error", "error_scope", "trusted", "batch_ms", "batch_limit_ms"}));
  if (node.contains("file")) {
    TAILRACE_TRY(out.file, rule_files(node.at("file")));
  }
  if (node.contains("options")) {
    if (!node.at("options").is_object()) return bad_value("rules.options", "a table");
    for (const auto& [key, value] : node.at("options").items()) {
      TAILRACE_TRY(out.options[key], scalar("rules.options." + key, value));
    }
  }
  if (node.contains("trusted")) {
    if (!node.at("trusted").is_boolean()) return bad_value("rules.trusted", "true or false");
    out.trusted = node.at("trusted").get<bool>();
  }
  for (auto [key, place] : {std::pair{"batch_ms", &out.batch_ms}, std::pair{"batch_limit_ms", &out.batch_limit_ms}}) {
    if (!node.contains(key)) continue;
    if (!node.at(key).is_number_integer() || node.at(key) < 0) {
      return bad_value(std::string("rules.") + key, "a number of milliseconds; 0 = no limit");
    }
    *place = node.at(key).get<int64_t>();
  }
  if (node.contains("memory")) {
    TAILRACE_TRY(std::string text, scalar("rules.memory", node.at("memory")));
    TAILRACE_TRY(int64_t bytes, parse_bytes(text));
    out.memory_bytes = static_cast<size_t>(bytes);
  }
  if (node.contains("on_error")) {
    TAILRACE_TRY(std::string text, scalar("rules.on_error", node.at("on_error")));
    if (text == "dead_letter") out.on_error = OnRuleError::kDeadLetter;
    else if (text == "skip") out.on_error = OnRuleError::kSkip;
    else if (text != "stop") return bad_value("rules.on_error", "\"stop\", \"dead_letter\" or \"skip\"");
  }
  if (node.contains("error_scope")) {
    TAILRACE_TRY(std::string text, scalar("rules.error_scope", node.at("error_scope")));
    if (text == "transaction") out.error_scope = ErrorScope::kTransaction;
    else if (text != "row") return bad_value("rules.error_scope", "\"row\" or \"transaction\"");
  }
  return {};
}

constexpr OptionSpec kPipelineOptions[] = {
    {"threads", "int", "2", "1 = everything in one thread, in a fixed order; 2 = reading apart from the rest"},
    {"memory", "bytes", "96MiB", "limit for everything in flight"},
    {"batch_bytes", "bytes", "256KiB", "a batch closes at about this size"},
    {"chunk_rows", "int", "10000", "rows of a snapshot chunk, at most"},
    {"chunk_bytes", "bytes", "4MiB", "bytes of a snapshot chunk, at most"},
    {"on_schema_error", "enum:stop|quarantine", "stop",
     "what to do when the schema of one table is in trouble: stop the job, or set the table aside"},
    {"spill_dir", "path", "", "where a transaction too large for memory waits for its end (default: $TMPDIR, else /var/tmp)"},
};

Status parse_pipeline(const json& node, PipelineOptions& out) {
  if (!node.is_object()) return bad_value("pipeline", "a table");
  std::map<std::string, std::string> given;
  for (const auto& [key, value] : node.items()) {
    TAILRACE_TRY(given[key], scalar("pipeline." + key, value));
  }
  TAILRACE_TRY(Options options, Options::parse("pipeline", kPipelineOptions, given));
  out.quarantine = options.text("on_schema_error") == "quarantine";
  out.threads = static_cast<int>(options.integer("threads"));
  if (out.threads != 1 && out.threads != 2) return bad_value("pipeline.threads", "1 or 2");
  out.memory_bytes = static_cast<size_t>(options.integer("memory"));
  if (out.memory_bytes < (1u << 20)) return bad_value("pipeline.memory", "at least 1MiB");
  out.batch_bytes = std::min(static_cast<size_t>(options.integer("batch_bytes")), out.memory_bytes / 4);
  out.spill_dir = options.text("spill_dir");
  out.chunk_rows = static_cast<size_t>(options.integer("chunk_rows"));
  out.chunk_bytes = std::min(static_cast<size_t>(options.integer("chunk_bytes")), out.memory_bytes / 4);
  if (out.batch_bytes < 1024 || out.chunk_bytes < 1024 || options.integer("chunk_rows") < 1) {
    return bad_value("pipeline.batch_bytes, chunk_bytes, chunk_rows", "at least 1KiB and 1 row");
  }
  return {};
}

Status parse_job(const json& node, JobConfig& config) {
  TAILRACE_OK(check_keys("job", node, {"name", "phases"}));
  if (node.contains("name")) {
    TAILRACE_TRY(config.name, scalar("job.name", node.at("name")));
  }
  if (!node.contains("phases")) return {};
  config.pipeline.snapshot = config.pipeline.stream = false;
  if (!node.at("phases").is_array()) return bad_value("job.phases", "a list");
  for (const json& phase : node.at("phases")) {
    if (phase == "snapshot") {
      config.pipeline.snapshot = true;
    } else if (phase == "stream") {
      config.pipeline.stream = true;
    } else {
      return bad_value("job.phases", "\"snapshot\" and \"stream\"");
    }
  }
  if (!config.pipeline.snapshot && !config.pipeline.stream) return bad_value("job.phases", "at least one phase");
  return {};
}

}  // namespace

Result<JobConfig> JobConfig::parse(std::string_view text) {
  json root;
  try {
    root = json::parse(text);
  } catch (const std::exception& error) {
    return Status(ErrorCode::kConfigSyntax, error.what());
  }
  JobConfig config;
  TAILRACE_OK(check_keys("", root, {"version", "job", "source", "sink", "tables", "rules", "pipeline"}));
  if (root.contains("version") && root.at("version") != 1) return bad_value("version", "1");
  for (const char* required : {"source", "sink"}) {
    if (!root.contains(required)) return Status(ErrorCode::kConfigMissing, required);
  }
  config.pipeline.snapshot = true;
  if (root.contains("job")) TAILRACE_OK(parse_job(root.at("job"), config));
  TAILRACE_OK(parse_endpoint("source", root.at("source"), config.source, config));
  TAILRACE_OK(parse_endpoint("sink", root.at("sink"), config.sink, config));
  if (auto it = config.source.options.find("start"); it != config.source.options.end()) {
    config.start = it->second;
    config.source.options.erase(it);
    TAILRACE_TRY(StartPoint start, parse_start_point(config.start));
    if (config.pipeline.snapshot && start.kind != StartPoint::Kind::kNow) {
      return bad_value("source.start", "job.phases = [\"stream\"] (a snapshot begins now)");
    }
  }
  if (auto it = config.sink.options.find("format"); it != config.sink.options.end()) {
    config.format = it->second;
    config.sink.options.erase(it);
  }
  if (root.contains("tables")) {
    if (!root.at("tables").is_array() || root.at("tables").empty()) return bad_value("tables", "a list of patterns such as \"shop.*\"");
    for (const json& pattern : root.at("tables")) {
      if (!pattern.is_string()) return bad_value("tables", "a list of patterns such as \"shop.*\"");
      config.tables.push_back(pattern.get<std::string>());
    }
  } else {
    config.tables = {"*.*"};
  }
  if (root.contains("rules")) TAILRACE_OK(parse_rules(root.at("rules"), config.rules));
  if (root.contains("pipeline")) TAILRACE_OK(parse_pipeline(root.at("pipeline"), config.pipeline));
  config.canonical = root.dump();
  return config;
}

bool is_reference(std::string_view text) {
  bool begins = text.starts_with("${env:") || text.starts_with("${file:");
  return begins && text.find('}') == text.size() - 1 && text.find(":-") == std::string_view::npos;
}

Result<std::string> resolve_references(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 >= text.size()) {
      out.push_back(text[i]);
      continue;
    }
    if (text[i + 1] == '$') {
      out.push_back('$');
      ++i;
      continue;
    }
    if (text[i + 1] != '{') {
      out.push_back('$');
      continue;
    }
    size_t end = text.find('}', i);
    if (end == std::string_view::npos) return Status(ErrorCode::kConfigBadValue, "a \"${\" without \"}\"");
    std::string body(text.substr(i + 2, end - i - 2));
    i = end;
    if (body.rfind("env:", 0) == 0) {
      std::string name = body.substr(4);
      std::optional<std::string> fallback;
      if (size_t split = name.find(":-"); split != std::string::npos) {
        fallback = name.substr(split + 2);
        name.resize(split);
      }
      const char* value = std::getenv(name.c_str());
      if (!value && !fallback) return Status(ErrorCode::kConfigVariable, fmt::format("environment variable {}", name));
      out.append(value ? value : *fallback);
    } else if (body.rfind("file:", 0) == 0) {
      std::ifstream in(body.substr(5), std::ios::binary);
      std::ostringstream content;
      content << in.rdbuf();
      if (!in) return Status(ErrorCode::kConfigVariable, fmt::format("file {}", body.substr(5)));
      std::string value = content.str();
      while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.pop_back();
      out.append(value);
    } else {
      return Status(ErrorCode::kConfigBadValue, fmt::format("\"${{{}}}\": write ${{env:NAME}} or ${{file:PATH}}", body));
    }
  }
  return out;
}

}  // namespace tailrace
