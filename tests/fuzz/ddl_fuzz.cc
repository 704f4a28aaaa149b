// SQL of any kind: the tokenizer, what a statement does, CREATE TABLE of files, and schema changes applied to a table.
#include "event/schema.h"
#include "fuzz/fuzz.h"
#include "mysql/create_table.h"
#include "mysql/ddl_apply.h"
#include "mysql/sql_tokens.h"
#include "mysql/statement.h"

using namespace tailrace;

namespace {

void check(const TableSchema& schema, size_t size) {
  FUZZ_CHECK(schema.columns.size() <= size + 2);
  for (uint16_t index : schema.primary_key) FUZZ_CHECK(index < schema.columns.size());
  for (const TableKey& key : schema.keys) {
    for (const KeyPart& part : key.parts) FUZZ_CHECK(part.column < static_cast<int32_t>(schema.columns.size()));
  }
  auto again = schema_from_json(schema_to_json(schema));
  FUZZ_CHECK(again.ok() && (*again)->columns.size() == schema.columns.size());
}

void change_a_table(std::string_view sql, const SqlReading& reading) {
  DdlContext context;
  context.is_mariadb = reading.is_mariadb;
  context.version = reading.version;
  context.database_collation = 45;
  DdlStatement made = read_ddl("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20), c ENUM('x','y'), UNIQUE u (b, c))", "d", reading);
  auto table = create_table(made, context);
  FUZZ_CHECK(table.ok());
  DdlStatement ddl = read_ddl(sql, "d", reading);
  if (ddl.kind == DdlStatement::Kind::kCreateTable) {
    auto created = create_table(ddl, context);
    if (created.ok()) check(**created, sql.size());
  } else if (ddl.kind == DdlStatement::Kind::kAlterTable) {
    auto altered = alter_table(**table, ddl, context);
    if (altered.ok()) check(**altered, sql.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  uint8_t choice = in.u8();
  bool ansi_quotes = choice & 1;
  std::string_view sql = in.rest();

  const char* at = sql.data();
  size_t count = 0;
  for (SqlTokens tokens(sql, ansi_quotes); !tokens.at_end(); ++count) {
    SqlToken token = tokens.next();
    FUZZ_CHECK(!token.raw.empty() && token.raw.data() >= at && token.raw.data() + token.raw.size() <= sql.data() + sql.size());
    FUZZ_CHECK(token.text.size() <= token.raw.size());
    at = token.raw.data() + token.raw.size();
  }
  FUZZ_CHECK(count <= sql.size());

  Statement statement = read_statement(sql, "d", ansi_quotes);
  FUZZ_CHECK(statement.kind != StatementKind::kTables || !statement.tables.empty());
  FUZZ_CHECK(statement.tables.size() <= sql.size());

  bool is_mariadb = choice & 2;
  change_a_table(sql, SqlReading{ansi_quotes, (choice & 4) != 0, is_mariadb, choice & 8 ? 0U : is_mariadb ? 101119U : 90704U});

  auto schemas = read_create_tables(sql);
  if (!schemas.ok()) return 0;
  for (const SchemaRef& schema : *schemas) {
    FUZZ_CHECK(schema->columns.size() <= sql.size());
    for (uint16_t index : schema->primary_key) FUZZ_CHECK(index < schema->columns.size());
  }
  return 0;
}
