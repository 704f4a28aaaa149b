#include "lua_rule_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "lua_state.h"
#include "rule/digest.h"
#include "rule/rule_chain.h"

namespace tailrace {
namespace {

// A kept file that is no module, but what a lookup was read from.
const std::string kLookup = "lookup:";

// A rule set and the bytes of its files.
class LuaRuleSet final : public RuleSet {
 public:
  RuleOptions options;
  LuaFiles files;
  std::map<std::string, RuleSource::File> lookups;  // what they were read from, by name
  std::string hash;

  RuleSource source() const override {
    RuleSource out;
    out.hash = hash;
    out.version = version;
    out.file = file;
    for (const auto& [name, text] : files.files) out.files[name] = {text.text, text.chunk};
    for (const auto& [name, kept] : lookups) out.files[kLookup + name] = kept;
    return out;
  }
};

class LuaRuleHost final : public RuleHost {
 public:
  explicit LuaRuleHost(std::shared_ptr<const LuaRuleSet> rules) : files_(rules->files), rules_(std::move(rules)) {}

  Status start() {
    TAILRACE_TRY(state_, LuaState::create(rules_->options, files_));
    // The functions get the same numbers as in the state the set was read with: same bytes, sorted tables.
    TAILRACE_OK(state_->load_file().status());
    return state_->start(rules_->spec);
  }
  Status prepare(const RulePlan& plan) override { return state_->prepare(plan); }
  Status prepare_message(uint32_t id, const OutputTable& output, int serialize) override {
    return state_->prepare_message(id, output, serialize);
  }
  std::optional<HookFailure> run(const HookBatch& batch) override { return state_->run(batch, "run"); }
  std::optional<HookFailure> serialize(const HookBatch& batch) override { return state_->run(batch, "serialize"); }
  Result<OnRuleError> on_error(const HookBatch& batch, const Status& failure, std::string_view hook, OnRuleError policy) override {
    return state_->on_error(batch, rules_->spec.on_error, failure, hook, policy);
  }
  Result<bool> keeps(const Transaction& txn) override { return state_->keeps(rules_->spec.txn, txn); }
  Result<DdlAnswer> ddl(int function, const DdlQuestion& question) override { return state_->ddl(function, question); }
  std::vector<RuleNote> notes() const override { return state_->notes(); }
  std::optional<HookPlace> place() const override { return state_->place(); }
  Status remember(RuleMemory& memory) { return state_->remember(memory); }
  Status tick(int64_t now_us) override { return state_->tick(rules_->spec.memory.tick, now_us); }
  Result<std::string> capture(const std::string& text, const std::string& pattern) override { return state_->capture(text, pattern); }
  Result<std::string> substitute(const std::string& text, const std::string& pattern, const std::string& by) override {
    return state_->substitute(text, pattern, by);
  }
  Result<RuleNode> entry(int function, const std::string& name, const TableSchema& table) override {
    return state_->entry(function, name, table);
  }

 private:
  LuaFiles files_;
  std::shared_ptr<const LuaRuleSet> rules_;
  std::unique_ptr<LuaState> state_;  // uses files_
};

std::string hash_of(const LuaRuleSet& rules) {
  std::string all = "api=1\n";
  for (const auto& [name, file] : rules.files.files) all += fmt::format("{}\n{}\n{}\n", name, file.text.size(), file.text);
  for (const auto& [name, file] : rules.lookups) all += fmt::format("{}{}\n{}\n{}\n", kLookup, name, file.text.size(), file.text);
  return sha256_hex(all + option_lines(rules.spec));
}

std::string version_of(const LuaRuleSet& rules) {
  std::string stem = rules.file.substr(rules.file.rfind('/') + 1);
  if (stem.ends_with(".lua")) stem.resize(stem.size() - 4);
  return stem + "@" + rules.hash.substr(0, 6);
}

Status read_file(const RuleOptions& options, LuaRuleSet& rules) {
  std::ifstream in(options.file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in)
    return Status(ErrorCode::kRuleLoad, fmt::format("{} cannot be read: {}", options.file, std::strerror(errno)))
        .with("rule", options.file);
  rules.files.folder = options.file.substr(0, options.file.rfind('/') + 1);
  // Lua shortens long chunk names from the left; the file's own name is what people need.
  std::string shown = options.file.size() > 50 ? options.file.substr(options.file.rfind('/') + 1) : options.file;
  rules.files.files[""] = {text.str(), "@" + shown};
  return Status();
}

// Is there something like `ev.to = …`? Takes too much for it rather than too little.
bool writes_to(std::string_view text) {
  for (size_t at = text.find("to"); at != std::string_view::npos; at = text.find("to", at + 1)) {
    char before = at ? text[at - 1] : ' ';
    std::string_view rest = text.substr(at + 2);
    if (before == '.') {
      size_t next = rest.find_first_not_of(" \t");
      bool is_name = !rest.empty() && (std::isalnum(static_cast<unsigned char>(rest[0])) || rest[0] == '_');
      if (!is_name && next != std::string_view::npos && rest[next] == '=') return true;
    }
    bool is_quoted = (before == '"' || before == '\'') && rest.starts_with(before);
    if (is_quoted && rest.substr(1).find_first_not_of(" \t") != std::string_view::npos &&
        rest[1 + rest.substr(1).find_first_not_of(" \t")] == ']')
      return true;
  }
  return false;
}

// From the disk, or as a job kept them.
Status read_lookups(const RuleOptions& options, LuaRuleSet& rules) {
  for (const LookupSpec& spec : rules.spec.lookups) {
    RuleSource::File& file = rules.lookups[spec.name];
    if (options.stored) {
      auto kept = options.stored->files.find(kLookup + spec.name);
      if (kept == options.stored->files.end()) {
        return Status(ErrorCode::kMetaOpen, fmt::format("what lookups.{} held is not kept with this version of the rules", spec.name));
      }
      file = kept->second;
    } else {
      TAILRACE_TRY(file.chunk, LookupTable::path_of(spec, rules.files.folder, options.trusted));
      TAILRACE_TRY(file.text, LookupTable::read(spec, file.chunk));
    }
    TAILRACE_TRY(auto table, LookupTable::make(spec, file.text, file.chunk));
    rules.spec.lookup_tables.push_back(std::move(table));
  }
  return Status();
}

Result<std::shared_ptr<LuaRuleSet>> load(const RuleOptions& options) {
  auto rules = std::make_shared<LuaRuleSet>();
  rules->options = options;
  rules->file = options.file;
  if (options.stored) rules->file = options.stored->file;
  if (rules->file.empty()) return rules;
  if (is_python_rules(rules->file)) {
    return Status(ErrorCode::kRuleLoad, fmt::format("{}: rules in Python run in a Python process only, such as `tailrace run`; this one "
                                                    "has none and takes Lua files",
                                                    rules->file));
  }
  if (options.stored) {
    for (const auto& [name, file] : options.stored->files) {
      if (!name.starts_with(kLookup)) rules->files.files[name] = {file.text, file.chunk};
    }
    rules->files.is_sealed = true;
  } else {
    TAILRACE_OK(read_file(options, *rules));
  }
  TAILRACE_TRY(auto state, LuaState::create(options, rules->files));
  TAILRACE_TRY(RuleNode root, state->load_file());
  const LuaFiles::File& main_file = rules->files.files[""];
  auto spec = parse_rule_spec(root, options_for(options, root), {main_file.chunk.substr(1), main_file.text}, options.in_clear);
  if (!spec.ok()) return std::move(spec).status().with("rule", rules->file);
  rules->spec = std::move(spec).value();
  for (const auto& [name, file] : rules->files.files) rules->spec.rows_name_targets |= writes_to(file.text);
  Status lookups = read_lookups(options, *rules);
  if (!lookups.ok()) return std::move(lookups).with("rule", rules->file);
  TAILRACE_OK(state->start(rules->spec));
  rules->files.is_sealed = true;
  rules->hash = hash_of(*rules);
  rules->version = version_of(*rules);
  return rules;
}

}  // namespace

Result<std::shared_ptr<RuleSet>> load_rules(const RuleOptions& options) {
  try {
    TAILRACE_TRY(auto rules, load(options));
    return std::shared_ptr<RuleSet>(std::move(rules));
  } catch (const std::exception& error) {
    return Status(ErrorCode::kInternal, fmt::format("loading rules: {}", error.what()));
  }
}

Result<std::unique_ptr<RuleStage>> make_rule_stage(std::shared_ptr<const RuleSet> rules, const RuleStageConfig& config) {
  try {
    std::unique_ptr<LuaRuleHost> host;
    Status formats = check_formats(rules->spec, config.formats);
    if (!formats.ok()) return std::move(formats).with("rule", rules->file);
    if (!rules->file.empty()) {
      auto lua_rules = std::dynamic_pointer_cast<const LuaRuleSet>(rules);
      if (!lua_rules) return Status(ErrorCode::kInternal, "a rule set of another kind");
      host = std::make_unique<LuaRuleHost>(std::move(lua_rules));
      TAILRACE_OK(host->start());
    }
    if (rules->spec.memory.ordered && config.rules.error_scope == ErrorScope::kTransaction) {
      return Status(ErrorCode::kRuleLoad,
                    "mode = \"ordered\" remembers row by row, so rules.error_scope = \"transaction\" cannot take it back: use \"row\"")
          .with("rule", rules->file);
    }
    LuaRuleHost* started = host.get();
    auto stage = make_planned_stage(std::move(rules), std::move(host), config);
    if (stage->memory()) TAILRACE_OK(started->remember(*stage->memory()));
    return stage;
  } catch (const std::exception& error) {
    return Status(ErrorCode::kInternal, fmt::format("starting rules: {}", error.what()));
  }
}

Result<std::unique_ptr<RuleStage>> make_rule_stage(const RuleStageConfig& config) {
  TAILRACE_TRY(auto rules, load_rules(config.rules));
  return make_rule_stage(std::move(rules), config);
}

}  // namespace tailrace
