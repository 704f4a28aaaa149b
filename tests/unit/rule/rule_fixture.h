// Builds tables, batches and stages for the rule tests. Rules are given as text and written to a private folder.
#pragma once
#include <unistd.h>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "event/event_batch.h"
#include "event/value_text.h"
#include "lua_rule_stage.h"
#include "rule/sql_type.h"

namespace tailrace::rule_test {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/rule_test_XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::string path = path_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

 private:
  std::string path_;
};

// "id bigint not null", …; the first `key` columns are the primary key.
inline SchemaRef make_table(const std::string& database, const std::string& table, const std::vector<std::string>& columns,
                            size_t key = 1) {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = database;
  schema->table = table;
  for (const std::string& text : columns) {
    size_t space = text.find(' ');
    Column column = parse_sql_type(text.substr(space + 1)).value();
    column.name = text.substr(0, space);
    schema->columns.push_back(column);
  }
  for (size_t i = 0; i < key; ++i) schema->primary_key.push_back(static_cast<uint16_t>(i));
  return schema;
}

inline Value text_value(const char* text, Kind kind = Kind::kText) {
  return Value::of_text(kind, text, static_cast<uint32_t>(std::char_traits<char>::length(text)));
}

using Cells = std::vector<Value>;

class BatchBuilder {
 public:
  BatchBuilder() {
    Transaction txn;
    txn.id = "0-1-42";
    txn.commit_time_us = 1700000000000000;
    txn.file = "bin.000007";
    txn.end_offset = 4321;
    txn.begins_here = txn.ends_here = true;
    batch.txns.push_back(txn);
  }
  BatchBuilder& add(Op op, const SchemaRef& table, const Cells& before, const Cells& after) {
    ChangeEvent event;
    event.op = op;
    event.ordinal = batch.events.size();
    event.table = batch.keep(table);
    event.before = copy(before);
    event.after = copy(after);
    batch.events.push_back(event);
    return *this;
  }
  BatchBuilder& insert(const SchemaRef& table, const Cells& row) { return add(Op::kInsert, table, {}, row); }
  BatchBuilder& remove(const SchemaRef& table, const Cells& row) { return add(Op::kDelete, table, row, {}); }
  BatchBuilder& update(const SchemaRef& table, const Cells& before, const Cells& after) { return add(Op::kUpdate, table, before, after); }
  BatchBuilder take() { return std::move(*this); }
  EventBatch batch;

 private:
  Row copy(const Cells& cells) {
    if (cells.empty()) return Row();
    Row row = batch.new_row(cells.size());
    std::copy(cells.begin(), cells.end(), row.begin());
    return row;
  }
};

inline std::string show_row(const TableSchema& schema, Row row) {
  std::string out = "(";
  for (size_t i = 0; i < row.size(); ++i) {
    if (i) out += ", ";
    out += schema.columns[i].name + "=";
    if (row[i].is_absent()) out += "absent";
    else if (row[i].is_null()) out += "NULL";
    else out += to_text(row[i], schema.columns[i]);
  }
  return out + ")";
}

// "insert dw.user (id=1); update …": what a sink would see.
inline std::string show(const EventBatch& batch) {
  std::string out;
  for (const ChangeEvent& event : batch.events) {
    if (!out.empty()) out += "; ";
    out += std::string(op_name(event.op));
    if (event.table) out += " " + event.table->qualified_name();
    if (!event.before.empty()) out += " " + show_row(*event.table, event.before);
    if (!event.before.empty() && !event.after.empty()) out += " ->";
    if (!event.after.empty()) out += " " + show_row(*event.table, event.after);
    if (event.sub_ordinal) out += " #" + std::to_string(event.sub_ordinal);
  }
  return out;
}

struct StageResult {
  Status status;
  std::unique_ptr<RuleStage> stage;
};

inline Result<std::unique_ptr<RuleStage>> try_stage(const Folder& folder, const std::string& rules, RuleStageConfig config = {}) {
  config.rules.file = folder.write("shop.lua", rules);
  return make_rule_stage(config);
}

inline std::string entry(const std::string& body) { return "return { api = 1, tables = { ['shop.*'] = {" + body + "} } }"; }

}  // namespace tailrace::rule_test
