#include "rulekit/event_text.h"

#include <algorithm>

#include "mysql/charset.h"
#include "mysql/collation.h"
#include "mysql/ddl_statement.h"
#include "rulekit/sql_literal.h"

namespace tailrace {
namespace {

void append_table(const TableSchema& schema, std::string& out) {
  append_name(schema.database, out);
  out.push_back('.');
  append_name(schema.table, out);
}

void append_cell(const TableSchema& schema, Row row, size_t i, std::string& out) {
  append_name(schema.columns[i].name, out);
  out.push_back('=');
  append_literal(row[i], schema.columns[i], out);
}

void append_row(const TableSchema& schema, Row row, std::string& out) {
  out += " (";
  for (size_t i = 0; i < row.size(); ++i) {
    if (i) out += ", ";
    append_cell(schema, row, i, out);
  }
  out.push_back(')');
}

void append_message_text(std::string_view text, std::string& out) {
  if (is_utf8(text)) {
    append_quoted(text, out);
    return;
  }
  Column bytes;
  bytes.kind = Kind::kBytes;
  append_literal(Value::of_text(Kind::kBytes, text.data(), static_cast<uint32_t>(text.size())), bytes, out);
}

void append_field(std::string_view name, std::string_view text, std::string& out) {
  out.push_back(' ');
  out += name;
  out.push_back('=');
  append_message_text(text, out);
}

void append_route(const ChangeEvent& event, std::string& out) {
  const EventRoute* route = event.route;
  std::string_view topic = route && !route->topic.empty() ? route->topic
                           : event.output                 ? std::string_view(event.output->topic)
                                                          : std::string_view();
  if (!topic.empty()) append_field("topic", topic, out);
  if (!route) return;
  if (!route->partition_key.empty()) append_field("partition_key", route->partition_key, out);
  for (const MessageHeader& header : route->headers) {
    std::string name = "header.";
    append_name(header.name, name);
    append_field(name, header.value, out);
  }
  if (route->has_key) append_field("key", route->key, out);
  if (route->has_payload) append_field("value", route->payload, out);
}

void append_column(const Column& column, Charsets charsets, std::string& out) {
  append_name(column.name, out);
  out += " " + column.type_text;
  bool has_charset = column.kind == Kind::kText || column.kind == Kind::kEnum || column.kind == Kind::kSet;
  if (charsets == Charsets::kWritten && has_charset && column.charset != 0) {
    std::string collation = collation_name(column.charset, true);
    if (!collation.empty() && column.charset != 63) {
      out += " CHARACTER SET " + charset_name_of_collation(column.charset) + " COLLATE " + collation;
    }
  }
  if (!column.nullable) out += " NOT NULL";
}

void append_key(const TableSchema& schema, std::string& out) {
  out += "PRIMARY KEY (";
  for (size_t i = 0; i < schema.primary_key.size(); ++i) {
    if (i) out += ", ";
    append_name(schema.columns[schema.primary_key[i]].name, out);
  }
  out.push_back(')');
}

std::vector<std::string> key_names(const TableSchema& schema) {
  std::vector<std::string> out;
  for (uint16_t index : schema.primary_key) out.push_back(schema.columns[index].name);
  return out;
}

// Whether a table of a new name is there after the statement.
bool makes_table(std::string_view sql) {
  DdlStatement ddl = read_ddl(sql, "", SqlReading{});
  if (ddl.kind != DdlStatement::Kind::kAlterTable) return true;
  return std::any_of(ddl.items.begin(), ddl.items.end(), [](const TableItem& item) { return item.verb == TableItem::Verb::kRenameTable; });
}

std::string ddl_arrow(const ChangeEvent& event) {
  const TableSchema* now = event.new_schema && *event.new_schema ? event.new_schema->get() : nullptr;
  if (!event.table) return "ddl " + std::string(event.sql);
  if (!now) {
    std::string out = "ddl DROP TABLE ";
    append_table(*event.table, out);
    return out;
  }
  if (event.table == now && makes_table(event.sql)) return "ddl " + create_table_text(*now, Charsets::kLeftOut);
  std::string change = alter_table_text(*event.table, *now);
  return change.empty() ? change : "ddl " + change;
}

}  // namespace

std::string arrow_text(const ChangeEvent& event) {
  if (event.op == Op::kSchemaChange) return ddl_arrow(event);
  std::string out;
  if (event.route && event.route->has_payload) {
    out = "record";
    append_route(event, out);
    return out;
  }
  out = op_name(event.op);
  if (event.table) {
    out.push_back(' ');
    append_table(*event.table, out);
  }
  if (event.op == Op::kDelete && !event.table->primary_key.empty()) {
    out += " (";
    bool first = true;
    for (uint16_t index : event.table->primary_key) {
      if (!first) out += ", ";
      first = false;
      append_cell(*event.table, event.before, index, out);
    }
    out.push_back(')');
  } else if (!event.after.empty() || !event.before.empty()) {
    append_row(*event.table, event.after.empty() ? event.before : event.after, out);
  }
  append_route(event, out);
  return out;
}

void append_event(const ChangeEvent& event, std::string& out) {
  if (event.op == Op::kSchemaChange) {
    out += ddl_arrow(event);
    return;
  }
  out += op_name(event.op);
  if (event.table) {
    out.push_back(' ');
    append_table(*event.table, out);
  }
  if (!event.before.empty()) append_row(*event.table, event.before, out);
  if (!event.before.empty() && !event.after.empty()) out += " ->";
  if (!event.after.empty()) append_row(*event.table, event.after, out);
  append_route(event, out);
}

std::string create_table_text(const TableSchema& schema, Charsets charsets) {
  std::string out = "CREATE TABLE ";
  append_table(schema, out);
  out += " (";
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    if (i) out += ", ";
    append_column(schema.columns[i], charsets, out);
  }
  if (!schema.primary_key.empty()) {
    out += ", ";
    append_key(schema, out);
  }
  out.push_back(')');
  return out;
}

std::string alter_table_text(const TableSchema& before, const TableSchema& after) {
  std::vector<std::string> changes;
  for (const Column& column : before.columns) {
    if (after.find_column(column.name) >= 0) continue;
    std::string& change = changes.emplace_back("DROP COLUMN ");
    append_name(column.name, change);
  }
  for (size_t i = 0; i < after.columns.size(); ++i) {
    const Column& column = after.columns[i];
    int was = before.find_column(column.name);
    if (was < 0) {
      std::string& change = changes.emplace_back("ADD COLUMN ");
      append_column(column, Charsets::kLeftOut, change);
      if (i == 0) {
        change += " FIRST";
      } else if (i + 1 < after.columns.size()) {
        // Behind a column that the target already has; at the end there is nothing to say.
        bool last = std::all_of(after.columns.begin() + static_cast<long>(i), after.columns.end(),
                                [&](const Column& later) { return before.find_column(later.name) < 0; });
        if (!last) {
          change += " AFTER ";
          append_name(after.columns[i - 1].name, change);
        }
      }
      continue;
    }
    const Column& old = before.columns[static_cast<size_t>(was)];
    if (old.type_text == column.type_text && old.nullable == column.nullable && old.charset == column.charset) continue;
    std::string& change = changes.emplace_back("MODIFY COLUMN ");
    append_column(column, old.charset == column.charset ? Charsets::kLeftOut : Charsets::kWritten, change);
  }
  if (key_names(before) != key_names(after)) {
    if (!before.primary_key.empty()) changes.emplace_back("DROP PRIMARY KEY");
    if (!after.primary_key.empty()) append_key(after, changes.emplace_back("ADD "));
  }
  if (before.qualified_name() != after.qualified_name()) append_table(after, changes.emplace_back("RENAME TO "));
  if (changes.empty()) return "";
  std::string out = "ALTER TABLE ";
  append_table(before, out);
  for (size_t i = 0; i < changes.size(); ++i) out += (i ? ", " : " ") + changes[i];
  return out;
}

}  // namespace tailrace
