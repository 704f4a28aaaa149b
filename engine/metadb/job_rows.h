// Rows of the job file as plain structs. Times are microseconds since 1970 UTC.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "event/position.h"

namespace tailrace {

struct JobRow {
  std::string id;  // UUID, made with the file
  std::string name;
  std::string config;  // canonical JSON
  std::string config_hash;
  std::string engine_version;
  std::string sink_identity;
  int64_t created_us = 0;
  std::optional<int64_t> started_us;
};

// Which differences from a kept configuration are let through, and what to say of the others.
struct ConfigLatitude {
  struct Reason {
    std::string_view part;  // "tables": the first key of the place
    std::string_view why;
  };
  std::vector<std::string> movable;  // JSON pointers, each with all below it
  std::vector<Reason> reasons;
};

struct StatusRow {
  std::string state = "created";  // created | running | paused | stopped | failed | done
  std::string phase;              // schema | snapshot | stream | ""
  uint64_t rows_done = 0;
  std::optional<uint64_t> rows_total;
  double rows_per_s = 0;
  uint64_t bytes = 0;
  uint64_t dropped = 0;
  std::optional<double> lag_s;  // none = not known
  std::optional<double> eta_s;
  Position position;
  std::string rules;  // version, "shop@9f3ac1"
  std::optional<int64_t> owner_pid;
  std::string owner_host;
  std::optional<int64_t> run_started_us;
  int64_t updated_us = 0;  // set by write_status
  std::string error_code, error_text, error_json;
  std::string warning;          // of what goes on right now
  uint64_t rows_uncounted = 0;  // of rows_done: in no counter of a table, as the process was killed right behind them
};

struct TableStat {
  std::string database, table, target, state;
  uint64_t rows_done = 0;
  std::optional<uint64_t> rows_total;
  double rows_per_s = 0;
  uint64_t inserts = 0, updates = 0, deletes = 0, dropped = 0;
};

struct RuleProfileRow {
  std::string version, table, hook;  // as v1_rule_profile has them
  uint64_t in = 0, out = 0, dropped_ops = 0, dropped_where = 0, dropped_row = 0, dropped_map = 0, errors = 0;
  uint64_t timed_events = 0, timed_ns = 0, serialize_events = 0, serialize_ns = 0;
  bool operator==(const RuleProfileRow&) const = default;
};

struct ChunkRow {
  std::string database, table;
  uint64_t number = 0;
  std::string from_key, next_key;
  uint64_t rows = 0;
  std::string low, high, state;  // read | done
};

struct CommandRow {
  int64_t id = 0;
  std::string verb, args, by;  // args: JSON
  int64_t at_us = 0;
  std::string state, answer;  // new | taken | done | failed
};

struct EventRow {
  int64_t id = 0;
  int64_t at_us = 0;
  std::string level, code, text;
};

struct RuleFileRow {
  std::string name, chunk, text;  // name as `require` has it, "" = the rule file
};

struct RuleVersionRow {
  int64_t id = 0;
  std::string hash, version, file, options;  // options: JSON, secrets as references
  std::vector<RuleFileRow> files;
};

// From where on a version holds. Position without text: from where the next run begins.
struct RuleCutRow {
  int64_t id = 0;
  int64_t version = 0;
  Position position;
  std::string by, changes;
};

struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};
using Cell = std::variant<std::monostate, int64_t, double, std::string, Blob>;
struct QueryTable {
  std::vector<std::string> columns;
  std::vector<std::vector<Cell>> rows;
  bool truncated = false;  // more rows than asked for
};

}  // namespace tailrace
