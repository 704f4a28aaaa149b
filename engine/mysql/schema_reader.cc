#include "mysql/schema_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

#include "mysql/collation.h"
#include "mysql/column_default.h"
#include "mysql/type_info.h"

namespace tailrace {
namespace {

using TableName = std::pair<std::string, std::string>;
using Cell = std::optional<std::string>;

constexpr std::string_view kNotOurs = "TABLE_SCHEMA NOT IN ('information_schema','performance_schema','mysql','sys')";

uint64_t number(const Cell& cell) { return cell ? std::strtoull(cell->c_str(), nullptr, 10) : 0; }
const std::string& text(const Cell& cell) {
  static const std::string empty;
  return cell ? *cell : empty;
}

// `where` restricts TABLE_SCHEMA and perhaps TABLE_NAME.
Result<std::vector<TableStatus>> read(Connection& connection, const std::string& where, const TableChoice& choice) {
  TAILRACE_TRY(QueryResult tables,
               connection.query("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, AVG_ROW_LENGTH, TABLE_COLLATION "
                                "FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED') AND " +
                                where));
  std::map<TableName, TableStatus> found;
  std::map<TableName, std::string> defaults;
  std::set<std::string> databases;
  for (const auto& row : tables.rows) {
    if (!choice(text(row[0]), text(row[1]))) continue;
    if (text(row[2]) == "SYSTEM VERSIONED") {
      return Status(ErrorCode::kSourceUnsupported, "system-versioned tables log their history as rows; exclude the table")
          .with("table", text(row[0]) + "." + text(row[1]));
    }
    TableStatus& status = found[{text(row[0]), text(row[1])}];
    status.engine = text(row[3]);
    status.estimated_rows = number(row[4]);
    status.average_row_length = number(row[5]);
    defaults[{text(row[0]), text(row[1])}] = text(row[6]);
    databases.insert(text(row[0]));
  }
  if (found.empty()) return std::vector<TableStatus>();

  std::string inside = where + " AND TABLE_SCHEMA IN (";
  for (const std::string& database : databases) inside += (inside.back() == '(' ? "" : ",") + quote_text(database);
  inside += ")";
  if (found.size() == 1) inside += " AND TABLE_NAME=" + quote_text(found.begin()->first.second);
  TAILRACE_TRY(CollationNames names, read_collations(connection));
  std::map<std::string, uint16_t> collations;
  for (const auto& [id, name] : names) collations[name.collation] = id;
  TAILRACE_TRY(QueryResult columns,
               connection.query("SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLLATION_NAME, EXTRA, "
                                "COLUMN_DEFAULT "
                                "FROM information_schema.COLUMNS WHERE " +
                                inside + " ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"));
  TAILRACE_TRY(QueryResult statistics,
               connection.query("SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, SUB_PART, NON_UNIQUE "
                                "FROM information_schema.STATISTICS WHERE " +
                                inside + " ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"));

  std::map<TableName, std::shared_ptr<TableSchema>> schemas;
  for (const auto& row : columns.rows) {
    TableName name{text(row[0]), text(row[1])};
    if (!found.count(name)) continue;
    auto& schema = schemas[name];
    if (!schema) {
      schema = std::make_shared<TableSchema>();
      schema->schema_id = next_schema_id();
      schema->database = name.first;
      schema->table = name.second;
    }
    uint16_t collation = 0;
    if (row[5]) {
      auto it = collations.find(*row[5]);
      if (it == collations.end()) {
        return Status(ErrorCode::kSchemaType, fmt::format("collation '{}' has no number at the server", *row[5]))
            .with("table", schema->qualified_name())
            .with("column", text(row[2]));
      }
      collation = it->second;
    }
    auto column = column_from_type(text(row[2]), text(row[3]), text(row[4]) == "YES", collation);
    if (!column.ok()) return std::move(column).status().with("table", schema->qualified_name());
    const std::string& extra = text(row[6]);
    column->is_virtual = extra.find("VIRTUAL GENERATED") != std::string::npos;
    column->generated =
        column->is_virtual || extra.find("STORED GENERATED") != std::string::npos || extra.find("PERSISTENT") != std::string::npos;
    set_column_default(*column, row[7] ? std::string_view(*row[7]) : std::string_view(), extra, connection.server().is_mariadb);
    schema->columns.push_back(std::move(column).value());
  }
  for (const auto& row : statistics.rows) {
    auto found_schema = schemas.find({text(row[0]), text(row[1])});
    if (found_schema == schemas.end()) continue;
    TableSchema& schema = *found_schema->second;
    if (schema.keys.empty() || schema.keys.back().name != text(row[2])) {
      schema.keys.push_back({text(row[2]), number(row[6]) == 0, {}});
    }
    schema.keys.back().parts.push_back({row[4] ? schema.find_column(*row[4]) : -1, static_cast<uint32_t>(number(row[5]))});
  }
  std::vector<TableStatus> out;
  for (auto& [name, status] : found) {
    auto schema = schemas.find(name);
    if (schema == schemas.end()) continue;  // dropped between two of the queries
    TableSchema& complete = *schema->second;
    complete.primary_key = row_key(complete);
    auto collation = collations.find(defaults[name]);
    if (collation != collations.end()) complete.collation = collation->second;
    complete.complete = complete.collation != 0;
    status.schema = schema->second;
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace

Result<CollationNames> read_collations(Connection& connection) {
  Result<QueryResult> found = QueryResult{};
  bool have = false;
  // MariaDB lists collations that serve several character sets once, without id; the full names are elsewhere.
  if (connection.server().is_mariadb) {
    found = connection.query(
        "SELECT ID, FULL_COLLATION_NAME, CHARACTER_SET_NAME FROM "
        "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID IS NOT NULL");
    have = found.ok();
    if (!have && found.status().code() != ErrorCode::kSourceQuery) return found.status();
  }
  if (!have) {
    found = connection.query("SELECT ID, COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE ID IS NOT NULL");
    if (!found.ok()) return found.status();
  }
  CollationNames out;
  for (const auto& row : found->rows) out[static_cast<uint16_t>(number(row[0]))] = {text(row[1]), text(row[2])};
  return out;
}

Result<std::vector<TableStatus>> read_tables(Connection& connection, const TableChoice& choice) {
  return read(connection, std::string(kNotOurs), choice);
}

Result<std::vector<SchemaRef>> read_schemas(Connection& connection, const TableChoice& choice) {
  TAILRACE_TRY(std::vector<TableStatus> tables, read_tables(connection, choice));
  std::vector<SchemaRef> out;
  for (TableStatus& table : tables) out.push_back(std::move(table.schema));
  return out;
}

Result<std::map<std::string, uint16_t>> read_databases(Connection& connection) {
  TAILRACE_TRY(QueryResult found, connection.query("SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA "
                                                   "WHERE SCHEMA_NAME NOT IN ('information_schema','performance_schema','mysql','sys')"));
  std::map<std::string, uint16_t> out;
  for (const auto& row : found.rows) out[text(row[0])] = collation_by_name(text(row[1]), connection.server().is_mariadb);
  return out;
}

Status check_select(Connection& connection, const std::string& database, const std::string& table) {
  std::string name = quote_name(database) + "." + quote_name(table);
  Status asked = connection.execute("SELECT * FROM " + name + " LIMIT 0");
  if (asked.ok() || asked.code() != ErrorCode::kSourcePrivilege) return Status();
  return Status(
             ErrorCode::kSourcePrivilege,
             fmt::format("{}.{} is one of the job's tables, and the account may not read it, or not all of its columns: GRANT SELECT ON {} "
                         "TO {} ({})",
                         database, table, name, connection.options().user, asked.detail()))
      .with("table", database + "." + table);
}

Result<SchemaRef> read_schema(Connection& connection, std::string_view database, std::string_view table) {
  std::string where = fmt::format("TABLE_SCHEMA={} AND TABLE_NAME={}", quote_text(database), quote_text(table));
  // information_schema may compare without case; only the server's setting says whether names are one.
  bool exact = connection.server().lower_case_table_names == 0;
  TAILRACE_TRY(std::vector<TableStatus> found,
               read(connection, where, [&](std::string_view d, std::string_view t) { return !exact || (d == database && t == table); }));
  if (found.empty()) {
    return Status(ErrorCode::kSchemaMissing, "the server has no such table").with("table", fmt::format("{}.{}", database, table));
  }
  return found.front().schema;
}

}  // namespace tailrace
