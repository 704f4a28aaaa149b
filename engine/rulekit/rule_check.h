// What can be known of a rule file before a job runs it: plans for given tables, and what its functions do on rows of
// edge values. Nothing is written.
#pragma once
#include <string>
#include <vector>

#include "rulekit/rule_kit.h"

namespace tailrace {

struct CheckFinding {
  bool is_error = false;
  std::string
      code;  // an error code, or the name of a warning: "read-masked", "never-filled", "edge-value", "unmatched", or that of a RuleNote
  std::string text;
  std::string table, pattern, name;  // what it is about, "" = nothing of the kind; `name`: column
  size_t file = 0;                   // of a chain
};

struct CheckedTable {
  std::string source, pattern, target;  // target "" = dropped
  std::string create;                   // the target's CREATE TABLE
  bool has_map = false, has_row = false;
  // pure: a row image alone tells the target's row; decides: the event does too (row, meta); ordered: what came before does.
  std::string purity = "pure";
  std::vector<std::string> reads;  // columns that map or row read
  bool names_target = false;       // `row` may send events to other tables of this layout
  uint64_t rows = 0;               // synthetic events run
  size_t file = 0;                 // of a chain: `source` is what the file before it gave
  bool is_last = true;             // `target` is where the rows go, not the next file's source
};

struct CheckReport {
  std::string version;
  std::vector<CheckFinding> findings;
  std::vector<CheckedTable> tables;
  std::vector<std::string> options;  // of the rule file
};

// Fails only when the file cannot be loaded. Each file of a chain is checked with the tables that the one before it gave.
// `formats`: that `serialize` may name; empty = not checked.
Result<CheckReport> check_rules(const RuleKit& kit, const RuleOptions& options, const std::vector<SchemaRef>& tables,
                                const std::vector<std::string>& formats = {});

}  // namespace tailrace
