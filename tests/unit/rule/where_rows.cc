// Evaluates row filters over rows, for tests that compare with a server. Lines of JSON on stdin; the first is
//   {"dialect": "mysql", "columns": [{"name": …, "type": "varchar(20)", "collation": 45}], "rows": [[text or null …]]}
// (bytes as {"hex": …}), each other one {"where": expression} or {"sql": expression}. Answers line by line:
//   {"error": text} when it does not compile, else {"values": ["1", "0", null, {"error": text}, …]}, of "sql" with the
//   "type" of the column.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "event/value_text.h"
#include "rule/sql_type.h"
#include "rule/value_write.h"
#include "rule/where_program.h"

using namespace tailrace;
using nlohmann::json;

namespace {

std::string bytes_of_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

Value cell_of(const json& in, const Column& column, Arena& arena) {
  Value out = Value::null();
  if (in.is_null()) return out;
  std::string text = in.is_object() ? bytes_of_hex(in.at("hex").get<std::string>()) : in.get<std::string>();
  WriteFault fault = WriteFault::kNone;
  switch (column.kind) {
    case Kind::kDouble:
      out = column.type_name == "float" ? Value::of_float(std::strtof(text.c_str(), nullptr))
                                        : Value::of_double(std::strtod(text.c_str(), nullptr));
      break;
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kYear:
    case Kind::kBit: fault = write_decimal(out, column, text, arena); break;
    default: fault = write_text(out, column, text, arena); break;
  }
  if (fault != WriteFault::kNone) {
    std::fprintf(stderr, "where_rows: `%s` in %s: %s\n", text.c_str(), column.name.c_str(), describe_fault(fault, column).c_str());
    std::exit(2);
  }
  return out;
}

// As SELECT … WHERE (text) and WHERE NOT (text) tell rows apart.
json filter(const std::string& text, WhereDialect dialect, const std::vector<Column>& columns,
            const std::vector<std::vector<Value>>& rows) {
  std::shared_ptr<const WhereProgram> programs[2];
  for (int i = 0; i < 2; ++i) {
    WhereSource source;
    source.dialect = dialect;
    source.text = i ? "NOT (" + text + "\n)" : text;
    auto tree = parse_where(source, {});
    if (!tree.ok()) return {{"error", tree.status().detail()}};
    auto program = WhereProgram::compile(**tree, source, columns, "t", true);
    if (!program.ok()) return {{"error", program.status().detail()}};
    programs[i] = std::move(program).value();
  }
  json values = json::array();
  WhereRun run;
  for (const auto& row : rows) {
    json value = nullptr;
    for (int i = 0; i < 2; ++i) {
      WhereRun::Verdict verdict = run.test(*programs[i], row.data());
      if (verdict == WhereRun::Verdict::kYes) value = i ? "0" : "1";
      if (verdict == WhereRun::Verdict::kFailed) {
        value = {{"error", run.error().detail()}};
        break;
      }
    }
    values.push_back(value);
  }
  return {{"values", values}};
}

json compute(const std::string& text, WhereDialect dialect, const std::vector<Column>& columns,
             const std::vector<std::vector<Value>>& rows) {
  WhereSource source;
  source.dialect = dialect;
  source.text = text;
  auto tree = parse_where(source, {});
  if (!tree.ok()) return {{"error", tree.status().detail()}};
  auto program = WhereProgram::compile(**tree, source, columns, "t", false);
  if (!program.ok()) return {{"error", program.status().detail()}};
  json values = json::array();
  WhereRun run;
  for (const auto& row : rows) {
    Arena arena;
    Value out = Value::null();
    if (!run.value(**program, row.data(), nullptr, arena, out)) {
      values.push_back({{"error", run.error().detail()}});
    } else if (out.is_null()) {
      values.push_back(nullptr);
    } else {
      values.push_back(to_text(out, (*program)->result()));
    }
  }
  return {{"values", values}, {"type", (*program)->result().type_text}};
}

}  // namespace

int main() {
  std::string line;
  if (!std::getline(std::cin, line)) return 2;
  json table = json::parse(line);
  std::vector<Column> columns;
  for (const json& each : table.at("columns")) {
    Column column = parse_sql_type(each.at("type").get<std::string>()).value();
    column.name = each.at("name").get<std::string>();
    if (each.contains("collation")) column.charset = each.at("collation").get<uint16_t>();
    columns.push_back(column);
  }
  Arena arena;
  std::vector<std::vector<Value>> rows;
  for (const json& each : table.at("rows")) {
    std::vector<Value> row;
    for (size_t i = 0; i < columns.size(); ++i) row.push_back(cell_of(each.at(i), columns[i], arena));
    rows.push_back(std::move(row));
  }
  WhereDialect dialect = table.value("dialect", "mysql") == "oms" ? WhereDialect::kOms : WhereDialect::kMysql;
  while (std::getline(std::cin, line)) {
    json question = json::parse(line);
    json answer = question.contains("where") ? filter(question.at("where").get<std::string>(), dialect, columns, rows)
                                             : compute(question.at("sql").get<std::string>(), dialect, columns, rows);
    std::cout << answer.dump() << "\n";
  }
  return 0;
}
