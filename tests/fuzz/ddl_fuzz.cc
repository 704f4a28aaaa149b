// SQL of any kind: the tokenizer, what a statement does, and CREATE TABLE.
#include "event/schema.h"
#include "fuzz/fuzz.h"
#include "mysql/create_table.h"
#include "mysql/sql_tokens.h"
#include "mysql/statement.h"

using namespace tailrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  bool ansi_quotes = in.u8() & 1;
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

  auto schemas = read_create_tables(sql);
  if (!schemas.ok()) return 0;
  for (const SchemaRef& schema : *schemas) {
    FUZZ_CHECK(schema->columns.size() <= sql.size());
    for (uint16_t index : schema->primary_key) FUZZ_CHECK(index < schema->columns.size());
  }
  return 0;
}
