// Identity and configuration of the job, its events and its commands.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "metadb/metadb.h"
#include "sqlite/database.h"

namespace tailrace {
namespace {

using Json = nlohmann::json;

// "sink.url" → its value as JSON text, for every leaf.
void flatten(const Json& node, const std::string& path, std::map<std::string, std::string>& out) {
  if (!node.is_structured() || node.empty()) {
    out[path] = node.dump();
    return;
  }
  if (node.is_array()) {
    for (size_t i = 0; i < node.size(); ++i) flatten(node[i], fmt::format("{}[{}]", path, i), out);
    return;
  }
  for (const auto& [key, value] : node.items()) flatten(value, path.empty() ? key : path + "." + key, out);
}

// "sink.url: "a" -> "b"; tables[1]: only in the job file", at most ten lines of it, and why those must not be.
std::string describe_difference(const Json& kept, const Json& given, const std::vector<ConfigLatitude::Reason>& reasons = {}) {
  std::map<std::string, std::string> before, after;
  flatten(kept, "", before);
  flatten(given, "", after);
  // A value that was a reference, or becomes one, is a secret.
  auto shown = [](const std::string& value, const std::string& other) {
    bool is_secret = value.find("${") == std::string::npos && other.find("${") != std::string::npos;
    return is_secret ? std::string("(a literal value)") : value;
  };
  std::vector<std::string> lines, parts;
  auto add = [&](const std::string& path, const std::string& was, const std::string& is) {
    lines.push_back(fmt::format("{}: {} -> {}", path, shown(was, is), shown(is, was)));
    parts.push_back(path.substr(0, path.find_first_of(".[")));
  };
  for (const auto& [path, value] : before) {
    auto it = after.find(path);
    if (it == after.end()) {
      add(path, value, "(not set)");
    } else if (it->second != value) {
      add(path, value, it->second);
    }
  }
  for (const auto& [path, value] : after) {
    if (!before.count(path)) add(path, "(not set)", value);
  }
  std::string out;
  for (size_t i = 0; i < lines.size() && i < 10; ++i) out += (i ? "; " : "") + lines[i];
  if (lines.size() > 10) out += fmt::format("; and {} more", lines.size() - 10);
  for (const ConfigLatitude::Reason& reason : reasons) {
    if (std::find(parts.begin(), parts.end(), reason.part) != parts.end()) out += fmt::format(". {}: {}", reason.part, reason.why);
  }
  return out;
}

Json without(Json config, const std::vector<std::string>& places) {
  for (const std::string& place : places) {
    Json::json_pointer pointer(place);
    if (config.is_object() && config.contains(pointer)) config.at(pointer.parent_pointer()).erase(pointer.back());
  }
  // A section that holds nothing (else) is as good as none.
  for (auto section = config.begin(); section != config.end();) {
    section = section->is_object() && section->empty() ? config.erase(section) : std::next(section);
  }
  return config;
}

// FNV-1a: tells versions of a config apart for people; equality is decided on the text.
std::string short_hash(std::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (unsigned char c : text) hash = (hash ^ c) * 1099511628211u;
  return fmt::format("{:016x}", hash);
}

CommandRow command_of(sqlite::Statement& s) {
  return {s.column_int(0), std::string(s.column_text(1)), std::string(s.column_text(2)), std::string(s.column_text(3)),
          s.column_int(4), std::string(s.column_text(5)), std::string(s.column_text(6))};
}

}  // namespace

Result<std::optional<JobRow>> JobFile::read_job() {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT id, name, config, config_hash, engine_version, "
                                          "sink_identity, created_us, started_us FROM job"));
  TAILRACE_TRY(bool found, s.step());
  if (!found) return std::optional<JobRow>();
  JobRow row;
  row.id = s.column_text(0);
  row.name = s.column_text(1);
  row.config = s.column_text(2);
  row.config_hash = s.column_text(3);
  row.engine_version = s.column_text(4);
  row.sink_identity = s.column_text(5);
  row.created_us = s.column_int(6);
  if (!s.is_null(7)) row.started_us = s.column_int(7);
  return std::optional<JobRow>(std::move(row));
}

Result<JobRow> JobFile::create_or_check_config(std::string_view name, std::string_view config_json, std::string_view sink_identity,
                                               const ConfigLatitude& latitude) {
  TAILRACE_OK(require_owner("create a job"));
  Json given = Json::parse(config_json, nullptr, false);
  if (given.is_discarded()) return Status(ErrorCode::kConfigSyntax, "the job's configuration is not JSON");
  TAILRACE_TRY(auto kept, read_job());
  if (!kept) {
    JobRow row;
    row.id = make_uuid();
    row.name = name;
    row.config = given.dump();  // object keys sorted: one text per value
    row.config_hash = short_hash(row.config);
    row.engine_version = TAILRACE_VERSION;
    row.sink_identity = sink_identity;
    row.created_us = now_us();
    std::lock_guard lock(mutex_);
    TAILRACE_TRY(auto s, database_->prepare("INSERT INTO job VALUES (1, ?, ?, ?, ?, ?, ?, NULL, ?)"));
    s.bind_text(1, row.id);
    s.bind_text(2, row.name);
    s.bind_text(3, row.config);
    s.bind_text(4, row.config_hash);
    s.bind_text(5, row.engine_version);
    s.bind_int(6, row.created_us);
    s.bind_text(7, row.sink_identity);
    TAILRACE_OK(s.run());
    return row;
  }
  const Json before = Json::parse(kept->config, nullptr, false);
  const Json fixed_before = without(before, latitude.movable), fixed_now = without(given, latitude.movable);
  if (fixed_before != fixed_now) {
    return Status(ErrorCode::kJobConfigChanged, describe_difference(fixed_before, fixed_now, latitude.reasons)).with("file", path_);
  }
  if (kept->sink_identity != sink_identity) {
    return Status(ErrorCode::kJobConfigChanged, fmt::format("sink: \"{}\" -> \"{}\"", kept->sink_identity, sink_identity))
        .with("file", path_);
  }
  if (before != given) {
    kept->config = given.dump();
    kept->config_hash = short_hash(kept->config);
    TAILRACE_OK(add_event("warn", "", "the configuration changed: " + describe_difference(before, given)));
    std::lock_guard lock(mutex_);
    TAILRACE_TRY(auto s, database_->prepare("UPDATE job SET config = ?, config_hash = ?"));
    s.bind_text(1, kept->config);
    s.bind_text(2, kept->config_hash);
    TAILRACE_OK(s.run());
  }
  return std::move(*kept);
}

Status JobFile::mark_started() {
  TAILRACE_OK(require_owner("start"));
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("UPDATE job SET started_us = ? WHERE started_us IS NULL"));
  s.bind_int(1, now_us());
  return s.run();
}

Result<bool> JobFile::has_started() {
  TAILRACE_TRY(auto job, read_job());
  return job && job->started_us;
}

Status JobFile::add_event(std::string_view level, std::string_view code, std::string_view text) {
  TAILRACE_OK(require_owner("log an event"));
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("INSERT INTO event_log(at_us, level, code, text) VALUES (?, ?, ?, ?)"));
  s.bind_int(1, now_us());
  s.bind_text(2, level);
  s.bind_text(3, code);
  s.bind_text(4, text);
  return s.run();
}

Result<std::vector<EventRow>> JobFile::read_events(int64_t after, size_t limit) {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT id, at_us, level, code, text FROM event_log WHERE id > ? ORDER BY id LIMIT ?"));
  s.bind_int(1, after);
  s.bind_int(2, static_cast<int64_t>(limit));
  std::vector<EventRow> rows;
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) return rows;
    rows.push_back(
        {s.column_int(0), s.column_int(1), std::string(s.column_text(2)), std::string(s.column_text(3)), std::string(s.column_text(4))});
  }
}

Result<int64_t> JobFile::post_command(std::string_view verb, std::string_view args_json, std::string_view by) {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("INSERT INTO command(verb, args, by, at_us) VALUES (?, ?, ?, ?) RETURNING id"));
  s.bind_text(1, verb);
  s.bind_text(2, args_json);
  s.bind_text(3, by);
  s.bind_int(4, now_us());
  TAILRACE_TRY(bool found, s.step());
  int64_t id = found ? s.column_int(0) : 0;
  TAILRACE_OK(s.run());  // to the end: only then is the row committed
  return id;
}

Result<std::vector<CommandRow>> JobFile::poll_commands() {
  TAILRACE_OK(require_owner("take commands"));
  std::lock_guard lock(mutex_);
  std::vector<CommandRow> rows;
  {
    // Most polls find nothing; a read does not take the write lock.
    TAILRACE_TRY(auto any, database_->query_int("SELECT 1 FROM command WHERE state = 'new' LIMIT 1"));
    if (!any) return rows;
  }
  TAILRACE_TRY(auto s, database_->prepare("UPDATE command SET state = 'taken' WHERE state = 'new' RETURNING "
                                          "id, verb, args, by, at_us, state, answer"));
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) break;
    rows.push_back(command_of(s));
  }
  std::sort(rows.begin(), rows.end(), [](const CommandRow& a, const CommandRow& b) { return a.id < b.id; });
  return rows;
}

Status JobFile::finish_command(int64_t id, std::string_view answer, bool failed) {
  TAILRACE_OK(require_owner("answer a command"));
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("UPDATE command SET state = ?, answer = ?, done_us = ? WHERE id = ?"));
  s.bind_text(1, failed ? "failed" : "done");
  s.bind_text(2, answer);
  s.bind_int(3, now_us());
  s.bind_int(4, id);
  return s.run();
}

Result<bool> JobFile::withdraw_command(int64_t id) {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("DELETE FROM command WHERE id = ? AND state = 'new'"));
  s.bind_int(1, id);
  TAILRACE_OK(s.run());
  return database_->changes() == 1;
}

Result<std::optional<CommandRow>> JobFile::read_command(int64_t id) {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT id, verb, args, by, at_us, state, answer FROM command WHERE id = ?"));
  s.bind_int(1, id);
  TAILRACE_TRY(bool found, s.step());
  if (!found) return std::optional<CommandRow>();
  return std::optional<CommandRow>(command_of(s));
}

}  // namespace tailrace
