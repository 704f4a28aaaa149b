// SQL of any kind: the tokenizer, what a statement does, schema files, and schema changes applied to tables.
#include "event/schema.h"
#include "fuzz/fuzz.h"
#include "mysql/create_table.h"
#include "mysql/ddl_apply.h"
#include "mysql/ddl_statement.h"
#include "mysql/sql_tokens.h"
#include "mysql/statement.h"

using namespace tailrace;

namespace {

void tokens(std::string_view sql, const SqlReading& reading) {
  const char* at = sql.data();
  size_t count = 0;
  for (SqlTokens tokens(sql, reading); !tokens.at_end(); ++count) {
    SqlToken token = tokens.next();
    FUZZ_CHECK(!token.raw.empty() && token.raw.data() >= at && token.raw.data() + token.raw.size() <= sql.data() + sql.size());
    FUZZ_CHECK(token.text.size() <= token.raw.size());
    at = token.raw.data() + token.raw.size();
  }
  FUZZ_CHECK(count <= sql.size());
}

void check(const TableSchema& schema) {
  for (uint16_t index : schema.primary_key) FUZZ_CHECK(index < schema.columns.size());
  for (const Column& column : schema.columns) FUZZ_CHECK(!column.name.empty() && !column.type_text.empty());
  auto stored = schema_from_json(schema_to_json(schema));
  FUZZ_CHECK(!stored.ok() || schema_to_json(**stored) == schema_to_json(schema));
}

// Statements one after the other, each changing what the last one made.
void changes(std::string_view sql, const SqlReading& reading, const DdlContext& context) {
  SchemaRef table;
  for (size_t statements = 0; !sql.empty() && statements < 16; ++statements) {
    size_t end = sql.find('\0');
    std::string_view one = sql.substr(0, end);
    sql.remove_prefix(end == std::string_view::npos ? sql.size() : end + 1);
    DdlStatement parsed = read_ddl(one, "d", reading);
    FUZZ_CHECK(parsed.tables.size() <= one.size() && parsed.items.size() <= one.size());
    if (parsed.kind == DdlStatement::Kind::kCreateTable) {
      auto made = create_table(parsed, context);
      if (made.ok()) table = *made;
    } else if (parsed.kind == DdlStatement::Kind::kAlterTable && table) {
      auto made = alter_table(*table, parsed, context);
      if (made.ok()) table = *made;
    }
    if (table) check(*table);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  uint8_t choice = in.u8();
  std::string_view sql = in.rest();
  SqlReading reading;
  reading.ansi_quotes = choice & 1;
  reading.is_mariadb = choice & 2;
  reading.no_backslash_escapes = choice & 4;
  reading.version = !(choice & 8) ? 0 : reading.is_mariadb ? 101119 : 90704;
  DdlContext context;
  context.is_mariadb = reading.is_mariadb;
  context.version = reading.version;
  context.server_collation = context.database_collation = choice & 16 ? 8 : 45;

  tokens(sql, reading);
  Statement statement = read_statement(sql, "d", reading.ansi_quotes);
  FUZZ_CHECK(statement.kind != StatementKind::kTables || !statement.tables.empty());
  FUZZ_CHECK(statement.tables.size() <= sql.size());
  changes(sql, reading, context);
  auto schemas = read_create_tables(sql);
  if (!schemas.ok()) return 0;
  for (const SchemaRef& schema : *schemas) check(*schema);
  return 0;
}
