// ChangeEvent: one row change, DDL statement, or heartbeat. Views only: everything it points to is owned by the
// EventBatch that holds it.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event/schema.h"
#include "event/value.h"

namespace tailrace {

enum class Op : uint8_t { kInsert, kUpdate, kDelete, kRead, kTruncate, kSchemaChange, kHeartbeat };
std::string_view op_name(Op op) noexcept;  // "insert" … as users write it

struct Transaction {
  std::string id;              // GTID, else "file:offset" of its first event
  int64_t commit_time_us = 0;  // at the source; whole seconds where the log has no more
  std::string file;            // log file of its last event seen so far
  uint64_t end_offset = 0;     // offset after that event
  uint32_t server_id = 0;
  bool begins_here = false;
  bool ends_here = false;
};

// Where a rule sends events: made by the rule stage once per (source schema, rule set), shared by all events.
struct OutputTable {
  SchemaRef source;              // schema of the rows at the source
  SchemaRef schema;              // schema of the rows in the event (database, table: the target's names)
  bool key_is_explicit = false;  // the entry gave `key`
  std::string topic;             // "" = the sink's template decides
  std::string format;            // "" = the sink's
  // Which source column each column of `schema` is made of, -1 = none; empty = column by column.
  std::vector<int> origins;
};

struct MessageHeader {
  std::string_view name, value;
};

// What the rules decided about the message of one event, beyond its OutputTable. Lives in the batch's arena.
struct EventRoute {
  std::string_view topic;          // "" = OutputTable::topic, else the sink's template
  std::string_view partition_key;  // "" = the message key decides
  std::span<const MessageHeader> headers;
  // The whole message, when the rule made it itself: the sink's format is not asked.
  bool has_payload = false, has_key = false;
  std::string_view payload, key;
};

struct ChangeEvent {
  Op op = Op::kInsert;
  uint32_t txn = 0;                     // index into EventBatch::txns
  uint64_t ordinal = 0;                 // number of the row event inside its transaction, from 0; survives batch cuts
  uint32_t sub_ordinal = 0;             // counts the events that one row event became (key change, fan-out), from 0
  uint32_t ddl_kinds = 0;               // kSchemaChange, kTruncate: what it does to this table (event/ddl_kind.h); 0 = not known
  const TableSchema* table = nullptr;   // layout of before and after; null for kHeartbeat
  const OutputTable* output = nullptr;  // set by the rule stage; null before it
  const EventRoute* route = nullptr;    // null: the rules said nothing about the message
  Row before, after;                    // insert, read: after; delete: before; update: both
  std::string_view sql;                 // kSchemaChange: the statement as logged
  SchemaRef* new_schema = nullptr;      // kSchemaChange: schema after it; may be null (DROP, or a table not known)
};

}  // namespace tailrace
