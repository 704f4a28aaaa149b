#include "job/job_commands.h"

#include <nlohmann/json.hpp>

namespace tailrace {

using nlohmann::json;

Result<RuleChange> rule_change_from_json(std::string_view text) {
  json in = json::parse(text, nullptr, false);
  if (!in.is_object()) return Status(ErrorCode::kConfigSyntax, "the arguments of the command are no JSON object");
  try {
    RuleChange change;
    change.file = in.value("file", "");
    change.back = in.value("back", false);
    change.apply_ddl = in.value("apply_ddl", false);
    change.at = in.value("at", "");
    change.timeout = std::chrono::milliseconds(in.value("timeout_ms", int64_t{60000}));
    if (in.contains("options")) change.options = in.at("options").get<std::map<std::string, std::string>>();
    return change;
  } catch (const json::exception& error) {
    return Status(ErrorCode::kConfigBadValue, error.what());
  }
}

Result<DdlDecision> ddl_decision_from_json(std::string_view text) {
  json in = json::parse(text, nullptr, false);
  if (!in.is_object()) return Status(ErrorCode::kConfigSyntax, "the arguments of the command are no JSON object");
  try {
    return DdlDecision{in.value("id", int64_t{0}), in.at("release").get<bool>()};
  } catch (const json::exception& error) {
    return Status(ErrorCode::kConfigBadValue, error.what());
  }
}

std::string to_json(const RuleSwapAnswer& answer) {
  json out = {{"before", answer.before}, {"after", answer.after}, {"position", answer.at.text}, {"changes", answer.changes}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace tailrace
