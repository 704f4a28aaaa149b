// RuleSpec: a rule file as checked data: which tables go where, with which columns. Immutable once parsed.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "event/change_event.h"
#include "rule/column_rule.h"
#include "rule/ddl_spec.h"
#include "rule/lookup_table.h"
#include "rule/memory_spec.h"
#include "rule/message_rule.h"
#include "rule/name_rule.h"
#include "rule/output_rule.h"
#include "rule/rule_node.h"
#include "rule/rule_stage.h"
#include "rule/where_rule.h"

namespace tailrace {

// `deletes`: what the target is told of a row that goes.
struct DeleteRule {
  enum class Action : uint8_t { kApply, kDrop, kSet };
  struct Set {
    std::string column;  // of the target
    bool is_null = false;
    std::optional<MetaField> meta;
    std::string text;  // when it is neither
  };
  Action action = Action::kApply;
  std::vector<Set> set;  // kSet: the row stays, with these values
};

// One key of `tables`.
struct TableRule {
  enum class Action : uint8_t { kDrop, kKeep, kEntry, kFunction };
  std::string key;  // as written
  std::vector<std::string> include, exclude;
  Action action = Action::kKeep;
  TextTemplate to_database, to_table;    // empty = the source's name
  std::vector<std::string> key_columns;  // output names; empty = the source's key
  std::vector<ColumnRule> columns;       // sorted by name
  std::vector<NameRule> names;           // for the columns that `columns` does not name, in their order
  int entry = -1;                        // kFunction: the host's number of it; the entry is made per table
  uint32_t ops = ~0u;                    // bit per Op
  DeleteRule deletes;
  MessageRule message;
  int map = -1, row = -1;                  // the host's numbers of the functions
  std::shared_ptr<const WhereRule> where;  // null: every row
  // Exactly this one table.
  bool is_single(const std::string& qualified_name) const { return include.size() == 1 && include[0] == qualified_name; }
};

struct RuleSpec {
  enum class Default : uint8_t { kKeep, kDrop, kStop };
  std::vector<TableRule> tables;    // sorted by key
  std::vector<OutputRule> outputs;  // sorted by name
  Default fallback = Default::kKeep;
  int on_error = -1, txn = -1, start = -1;  // the host's numbers of the functions
  bool rows_name_targets = false;           // a `row` may write ev.to, as the host reads its text
  DdlSpec ddl;
  MemorySpec memory;                                                       // of ordered rules
  std::vector<LookupSpec> lookups;                                         // sorted by name
  std::vector<std::shared_ptr<const LookupTable>> lookup_tables;           // of them, read by the host
  std::map<std::string, std::variant<bool, double, std::string>> options;  // merged; without secrets
  std::map<std::string, std::string> secrets;
};

// Checks the table a rule file returned, and merges the job's options into the file's defaults. `file` lets errors
// name lines.
// `in_clear`: options that the job would keep as they are written; none of them may be a secret.
Result<RuleSpec> parse_rule_spec(const RuleNode& root, const std::map<std::string, std::string>& job_options, const RuleText& file = {},
                                 const std::set<std::string>& in_clear = {});

// Name and value of every option but the secrets, a line each: part of what tells versions apart.
std::string option_lines(const RuleSpec& spec);

// The formats that `serialize` names must be among these; empty = not checked.
Status check_formats(const RuleSpec& spec, const std::vector<std::string>& formats);

// The entry that a function gave for a table, in place of `rule`, whose patterns it keeps.
Result<TableRule> parse_made_entry(const TableRule& rule, const RuleNode& node, const RuleSpec& spec, const RuleText& file);

// The rule for a table; null when none matches (see RuleSpec::fallback). kRuleAmbiguous when two patterns do.
Result<const TableRule*> match_table(const RuleSpec& spec, std::string_view database, std::string_view table);

}  // namespace tailrace
