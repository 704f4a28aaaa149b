// RuleSpec: a rule file as checked data: which tables go where, with which columns. Immutable once parsed.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "event/change_event.h"
#include "event/schema.h"
#include "rule/ddl_spec.h"
#include "rule/native_function.h"
#include "rule/rule_node.h"
#include "rule/rule_stage.h"

namespace tailrace {

// One key of `columns`.
struct ColumnRule {
  enum class Action : uint8_t { kDrop, kRename, kNative, kNew };
  Action action = Action::kDrop;
  std::string name;          // at the source; of the new column for kNew
  std::string new_name;      // kRename
  NativeFunction native;     // kNative
  Column type;               // kNew
  bool has_value = false;    // kNew: `value` was given; else `map` fills it
  std::string value;         // kNew: template over {db} and {table}
};

// One key of `tables`.
struct TableRule {
  enum class Action : uint8_t { kDrop, kKeep, kEntry };
  std::string key;                        // as written
  std::vector<std::string> include, exclude;
  Action action = Action::kKeep;
  std::string to;                         // template, "" = the source's name
  std::vector<std::string> key_columns;   // output names; empty = the source's key
  std::vector<ColumnRule> columns;        // sorted by name
  uint32_t ops = ~0u;                     // bit per Op
  int map = -1, row = -1;                 // the host's numbers of the functions
};

struct RuleSpec {
  enum class Default : uint8_t { kKeep, kDrop, kStop };
  std::vector<TableRule> tables;          // sorted by key
  Default fallback = Default::kKeep;
  DdlSpec ddl;
  std::map<std::string, std::variant<bool, double, std::string>> options;  // merged; without secrets
  std::map<std::string, std::string> secrets;
};

// Checks the table a rule file returned, and merges the job's options into the file's defaults.
Result<RuleSpec> parse_rule_spec(const RuleNode& root, const std::map<std::string, std::string>& job_options);

// The rule for a table; null when none matches (see RuleSpec::fallback). kRuleAmbiguous when two patterns do.
Result<const TableRule*> match_table(const RuleSpec& spec, std::string_view database, std::string_view table);

// Replaces {db} and {table}. REQUIRES: a template that parse_rule_spec accepted.
std::string fill_template(std::string_view text, std::string_view database, std::string_view table);

}  // namespace tailrace
