#include "job/job_rules.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"

namespace tailrace {
namespace {

using nlohmann::json;

std::string options_to_json(const std::map<std::string, std::string>& options) {
  return json(options).dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::map<std::string, std::string>> options_from_json(const std::string& text) {
  json in = json::parse(text, nullptr, false);
  std::map<std::string, std::string> out;
  if (!in.is_object()) return Status(ErrorCode::kMetaOpen, "the options kept with a version of the rules cannot be read");
  for (const auto& [key, value] : in.items()) {
    if (value.is_string()) out[key] = value.get<std::string>();
  }
  return out;
}

RuleVersionRow row_of(const RuleStage& stage, const std::map<std::string, std::string>& options) {
  RuleSource source = stage.source();
  RuleVersionRow row;
  row.version = stage.version();
  row.hash = source.hash.empty() ? row.version : source.hash;
  row.file = source.file;
  row.options = options_to_json(options);
  for (auto& [name, file] : source.files) row.files.push_back({name, std::move(file.chunk), std::move(file.text)});
  return row;
}

}  // namespace

void JobRules::note(const std::string& text) const {
  log(LogLevel::kInfo, text);
  Status added = file_.add_event("info", "", text);
  if (!added.ok()) log(LogLevel::kWarn, added.to_string());
}

Result<std::unique_ptr<RuleStage>> JobRules::load(std::shared_ptr<const RuleSource> stored, const std::string& file,
                                                  const Texts& options) const {
  RuleStageConfig config;
  config.rules = config_.rules;
  config.sink_detects_collisions = sink_detects_collisions_;
  config.sink_takes_messages = config.writes_statements = sink_takes_messages_;
  config.dead_letters = &file_;
  config.ddl = &file_;
  config.job_file = file_.path();
  config.rules.file = file;
  config.rules.options.clear();
  for (const auto& [name, value] : options) {
    if (!is_reference(value)) config.rules.in_clear.insert(name);
    TAILRACE_TRY(config.rules.options[name], resolve_references(value));
  }
  config.rules.stored = std::move(stored);
  return factories_.rules(config);
}

Result<std::unique_ptr<RuleStage>> JobRules::load_kept(int64_t version) const {
  TAILRACE_TRY(RuleVersionRow row, file_.rule_version(version));
  auto source = std::make_shared<RuleSource>();
  source->hash = row.hash;
  source->version = row.version;
  source->file = row.file;
  for (RuleFileRow& file : row.files) source->files[file.name] = {std::move(file.text), std::move(file.chunk)};
  TAILRACE_TRY(auto options, options_from_json(row.options));
  return load(std::move(source), row.file, options);
}

Result<std::unique_ptr<RuleTimeline>> JobRules::timeline(const SinkCaps& sink, const std::string& status_version) {
  set_sink(sink);
  TAILRACE_TRY(auto kept, file_.rule_cuts());
  std::vector<RuleTimeline::Cut> cuts;
  for (const RuleCutRow& row : kept) {
    cuts.push_back({row.id, row.position, [this, version = row.version] { return load_kept(version); }, !row.changes.empty()});
  }
  std::string before = status_version;
  RuleVersionRow found;
  if (kept.empty() || kept.back().by == "file") {
    TAILRACE_TRY(auto stage, load(nullptr, config_.rules.file, config_.rules.options));
    found = row_of(*stage, config_.rules.options);
    bool is_known = false;
    if (!kept.empty()) {
      TAILRACE_TRY(RuleVersionRow newest, file_.rule_version(kept.back().version));
      is_known = newest.hash == found.hash && newest.options == found.options;
      before = newest.version;
    }
    // Loaded once, for the only time it is asked for.
    auto loaded = std::make_shared<std::unique_ptr<RuleStage>>(std::move(stage));
    auto give = [loaded]() -> Result<std::unique_ptr<RuleStage>> { return std::move(*loaded); };
    if (is_known) {
      cuts.back().make = give;
    } else {
      cuts.push_back({0, Position(), give, false});
    }
  }
  auto placed = [this, found, before, is_first = kept.empty()](int64_t id, const Position& at, std::vector<int64_t> passed_over) -> Status {
    if (id != 0) {
      note(fmt::format("the rules asked for while the job stood still hold from {}", at.text));
      return file_.place_rule_cut(id, at, passed_over);
    }
    TAILRACE_TRY(int64_t version, file_.keep_rule_version(found));
    TAILRACE_TRY(int64_t added, file_.add_rule_cut({0, version, at, "file", ""}));
    TAILRACE_OK(file_.place_rule_cut(added, at, passed_over));
    bool is_told = is_first && before.empty();
    if (is_told || before == found.version) return {};
    std::string text = fmt::format("the rules changed from '{}' to '{}'; rows already delivered stay as they are", before, found.version);
    log(LogLevel::kWarn, text);
    return file_.add_event("warn", "", text);
  };
  return std::make_unique<RuleTimeline>(std::move(cuts), std::move(placed), [this] { return known_tables(); });
}

// The newest schema of every table of the job that the job file has one of.
Result<std::vector<SchemaRef>> JobRules::known_tables() const {
  TAILRACE_TRY(TableFilter filter, TableFilter::parse(config_.tables));
  TAILRACE_TRY(auto entries, file_.load_all());
  std::map<std::pair<std::string, std::string>, SchemaStore::Entry*> newest;
  for (SchemaStore::Entry& entry : entries) {
    if (!entry.table.empty() && filter.matches(entry.database, entry.table)) newest[{entry.database, entry.table}] = &entry;
  }
  std::vector<SchemaRef> tables;
  for (auto& [name, entry] : newest) {
    if (entry->schema) {
      tables.push_back(entry->schema);
    } else if (!entry->schema_json.empty()) {
      TAILRACE_TRY(SchemaRef schema, schema_from_json(entry->schema_json));
      tables.push_back(std::move(schema));
    }
  }
  return tables;
}

Result<RuleSwapRequest> JobRules::request(const RuleChange& change) {
  TAILRACE_TRY(auto cuts, file_.rule_cuts());
  RuleSwapRequest out;
  out.apply_ddl = change.apply_ddl;
  out.at.text = change.at;
  RuleVersionRow row;
  if (change.back) {
    auto earlier = cuts.rbegin();
    while (earlier != cuts.rend() && earlier->version == cuts.back().version) ++earlier;
    if (earlier == cuts.rend()) return Status(ErrorCode::kJobState, "the job had no other rules yet, so there are none to go back to");
    TAILRACE_TRY(row, file_.rule_version(earlier->version));
    TAILRACE_TRY(out.stage, load_kept(earlier->version));
  } else {
    Texts options = config_.rules.options;
    if (!cuts.empty()) {
      TAILRACE_TRY(RuleVersionRow newest, file_.rule_version(cuts.back().version));
      TAILRACE_TRY(options, options_from_json(newest.options));
    }
    for (const auto& [name, value] : change.options) options[name] = value;
    TAILRACE_TRY(out.stage, load(nullptr, change.file, options));
    row = row_of(*out.stage, options);
  }
  std::string version = row.version;
  out.keep = [this, row = std::move(row)](const Position& at, const std::string& changes) -> Result<int64_t> {
    TAILRACE_TRY(int64_t kept, file_.keep_rule_version(row));
    TAILRACE_TRY(int64_t cut, file_.add_rule_cut({0, kept, at, "swap", changes}));
    note(fmt::format("rules '{}' hold from {}", row.version, at.text.empty() ? "where the next run begins" : at.text));
    return cut;
  };
  out.take_back = [this, version](int64_t cut) {
    note(fmt::format("rules '{}' did not take over", version));
    return file_.void_rule_cut(cut);
  };
  return out;
}

Result<RuleSwapAnswer> JobRules::put_down(RuleSwapRequest request) {
  RuleSwapAnswer answer;
  TAILRACE_TRY(auto cuts, file_.rule_cuts());
  if (!cuts.empty()) {
    TAILRACE_TRY(RuleVersionRow newest, file_.rule_version(cuts.back().version));
    answer.before = newest.version;
    TAILRACE_TRY(auto stage, load_kept(cuts.back().version));
    RuleTimeline now(std::move(stage), [this] { return known_tables(); });
    TAILRACE_TRY(answer.changes, now.differences(*request.stage));
  }
  answer.after = request.stage->version();
  std::string text;
  for (const std::string& line : answer.changes) text += (text.empty() ? "" : "\n") + line;
  if (!text.empty() && !request.apply_ddl) return Status(ErrorCode::kRuleSwap, "the output schema changes: " + text);
  TAILRACE_TRY(int64_t entry, request.keep(Position(), text));
  (void)entry;
  return answer;
}

}  // namespace tailrace
