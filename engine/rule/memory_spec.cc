#include "rule/memory_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/options.h"
#include "rule/node_reader.h"

namespace tailrace {
namespace {

using Type = RuleNode::Type;
constexpr std::string_view kKinds[] = {"number", "bigint", "text", "boolean"};
constexpr double kMaxEntries = 1e9;
constexpr size_t kMaxKeyParts = 8;

Result<MemoryKind> parse_kind(const std::string& name, const std::string& where, bool is_key) {
  std::vector<std::string> known =
      is_key ? std::vector<std::string>{"bigint", "text"} : std::vector<std::string>{"number", "bigint", "text", "boolean"};
  auto found = std::find(std::begin(kKinds), std::end(kKinds), name);
  if (found != std::end(kKinds) && std::find(known.begin(), known.end(), name) != known.end()) {
    return static_cast<MemoryKind>(found - std::begin(kKinds));
  }
  return load_error(fmt::format("{}: `{}` is none of {}{}", where, name, is_key ? "bigint, text" : "number, bigint, text, boolean",
                                did_you_mean(name, known)));
}

Result<uint64_t> parse_count(const RuleNode& node, const std::string& where, double most) {
  if (node.type == Type::kNumber && node.number >= 1 && node.number <= most &&
      node.number == static_cast<double>(static_cast<uint64_t>(node.number))) {
    return static_cast<uint64_t>(node.number);
  }
  return load_error(fmt::format("{} is a whole number from 1 to {:.0f}", where, most));
}

Result<int64_t> parse_time(const RuleNode& node, const std::string& where) {
  if (node.type == Type::kText) {
    auto time = parse_duration_us(node.text);
    if (time.ok() && *time > 0) return *time;
  }
  return load_error(where + " is a time such as \"10s\", \"5m\" or \"24h\"");
}

Result<StateSpec> parse_state(const std::string& name, const RuleNode& node) {
  std::string where = "state." + name;
  if (node.type != Type::kTable)
    return load_error(fmt::format("{} is {}; expected {{ key = \"bigint\", value = \"text\" }}", where, type_name(node.type)));
  TAILRACE_OK(check_keys(node, where, {"key", "value", "max", "max_bytes", "ttl", "durable"}));
  StateSpec state;
  state.name = name;
  const RuleNode* key = node.find("key");
  const RuleNode* value = node.find("value");
  if (!key) return load_error(where + ": `key = \"bigint\"`, \"text\" or a list of them is missing");
  if (!value || value->type != Type::kText)
    return load_error(where + ": `value = \"number\"`, \"bigint\", \"text\" or \"boolean\" is missing");
  if (key->type == Type::kText) {
    TAILRACE_TRY(MemoryKind kind, parse_kind(key->text, where + ".key", true));
    state.key.push_back(kind);
  } else {
    bool is_list = key->type == Type::kTable && !key->fields.empty() && key->fields.size() <= kMaxKeyParts;
    for (size_t i = 0; is_list && i < key->fields.size(); ++i) {
      const RuleNode::Field& field = key->fields[i];
      is_list = field.first == std::to_string(i + 1) && field.second.type == Type::kText;
      if (!is_list) break;
      TAILRACE_TRY(MemoryKind kind, parse_kind(field.second.text, where + ".key", true));
      state.key.push_back(kind);
    }
    if (!is_list) return load_error(fmt::format("{}.key is \"bigint\", \"text\" or a list of up to {} of them", where, kMaxKeyParts));
  }
  TAILRACE_TRY(state.value, parse_kind(value->text, where + ".value", false));
  if (const RuleNode* max = node.find("max")) {
    TAILRACE_TRY(state.max_entries, parse_count(*max, where + ".max", kMaxEntries));
  }
  if (const RuleNode* bytes = node.find("max_bytes")) {
    std::optional<int64_t> size;
    if (bytes->type == Type::kText) {
      auto parsed = parse_bytes(bytes->text);
      if (parsed.ok() && *parsed > 0) size = *parsed;
    }
    if (!size) return load_error(where + ".max_bytes is a size such as \"64MiB\"");
    state.max_bytes = static_cast<uint64_t>(*size);
  }
  if (const RuleNode* ttl = node.find("ttl")) {
    TAILRACE_TRY(state.ttl_us, parse_time(*ttl, where + ".ttl"));
  }
  if (const RuleNode* durable = node.find("durable")) {
    if (durable->type != Type::kBool) return load_error(where + ".durable is true or false");
    state.durable = durable->boolean;
  }
  return state;
}

}  // namespace

std::string_view memory_kind_name(MemoryKind kind) noexcept { return kKinds[static_cast<size_t>(kind)]; }

std::string StateSpec::shape() const {
  std::string out;
  for (MemoryKind kind : key) out += fmt::format("{}{}", out.empty() ? "" : ", ", memory_kind_name(kind));
  return fmt::format("{} -> {}", out, memory_kind_name(value));
}

bool MemorySpec::is_durable() const noexcept {
  return std::any_of(states.begin(), states.end(), [](const StateSpec& state) { return state.durable; });
}

Result<MemorySpec> parse_memory_spec(const RuleNode& root) {
  MemorySpec spec;
  if (const RuleNode* mode = root.find("mode")) {
    if (mode->type != Type::kText || (mode->text != "ordered" && mode->text != "stateless")) {
      return load_error("mode is \"stateless\" (the default) or \"ordered\"");
    }
    spec.ordered = mode->text == "ordered";
  }
  for (const char* key : {"state", "tick", "tick_every"}) {
    if (root.find(key) && !spec.ordered) return load_error(fmt::format("`{}` needs mode = \"ordered\"", key));
  }
  if (const RuleNode* states = root.find("state")) {
    if (states->type != Type::kTable) return load_error("state must be a table { name = { key = …, value = … } }");
    for (const auto& [name, node] : states->fields) {
      TAILRACE_TRY(StateSpec state, parse_state(name, node));
      spec.states.push_back(std::move(state));
    }
  }
  const RuleNode* tick = root.find("tick");
  const RuleNode* every = root.find("tick_every");
  if (!tick != !every) return load_error(tick ? "`tick` needs `tick_every = \"10s\"`" : "`tick_every` needs `tick = function(ctx)`");
  if (tick) {
    if (tick->type != Type::kFunction) return load_error(fmt::format("tick must be a function, not {}", type_name(tick->type)));
    spec.tick = tick->function;
    TAILRACE_TRY(spec.tick_every_us, parse_time(*every, "tick_every"));
  }
  return spec;
}

}  // namespace tailrace
