// Row filters of any text: the parser, the types, and what comes out over two fixed rows of every kind of column.
#include <string>
#include <vector>

#include "fuzz/fuzz.h"
#include "rule/sql_type.h"
#include "rule/value_write.h"
#include "rule/where_program.h"

using namespace tailrace;

namespace {

struct Fixed {
  const char* name;
  const char* type;
  const char* text;
};
constexpr Fixed kColumns[] = {{"id", "int not null", "7"},
                              {"t", "tinyint", "-128"},
                              {"l", "bigint", "-9223372036854775808"},
                              {"lu", "bigint unsigned", "18446744073709551615"},
                              {"d", "decimal(10,2)", "-12.50"},
                              {"dd", "decimal(65,30)", "99999999999999999999999999999999999.999999999999999999999999999999"},
                              {"f", "double", "1.5"},
                              {"g", "varchar(40)",
                               "Stra\xC3\x9F"
                               "e "},
                              {"b", "varchar(40)", "10.5x"},
                              {"n", "varchar(40)", "\xED\x95\x9C\xEA\xB8\x80"},
                              {"vb", "varbinary(20)", "ab"},
                              {"en", "enum('new','old')", "old"},
                              {"st", "set('a','B','c')", "a,c"},
                              {"bt", "bit(12)", "5"},
                              {"y", "year", "2026"},
                              {"day", "date", "2026-01-31"},
                              {"dt", "datetime(6)", "2026-01-31 12:34:56.789012"},
                              {"ts", "timestamp", "2026-01-31 12:34:56"},
                              {"tm", "time(3)", "-01:02:03.250"},
                              {"doc", "json", "{}"}};

struct Table {
  std::vector<Column> columns;
  std::vector<Value> row, nulls;
  Arena arena;
  Table() {
    for (const Fixed& fixed : kColumns) {
      Column column = parse_sql_type(fixed.type).value();
      column.name = fixed.name;
      if (column.name == "b") column.charset = 46;
      if (column.name == "n") column.charset = 255;
      Value value = Value::null();
      bool is_integer = column.kind == Kind::kInt || column.kind == Kind::kUint || column.kind == Kind::kBit || column.kind == Kind::kYear;
      WriteFault fault = column.kind == Kind::kDouble ? write_number(value, column, 1.5, arena)
                         : is_integer                 ? write_decimal(value, column, fixed.text, arena)
                                                      : write_text(value, column, fixed.text, arena);
      FUZZ_CHECK(fault == WriteFault::kNone);
      columns.push_back(column);
      row.push_back(value);
      nulls.push_back(Value::null());
    }
  }
};

bool is_utf8(std::string_view text) {
  Column any;
  any.kind = Kind::kText;
  any.type_name = "longtext";
  Arena arena;
  Value value = Value::null();
  return write_text(value, any, text, arena) != WriteFault::kUtf8;
}

void check_error(const Status& status) { FUZZ_CHECK(status.detail().starts_with("where: ") || status.detail().starts_with("f.lua:")); }

std::shared_ptr<const WhereProgram> compile(const Table& table, const WhereSource& source, bool is_filter) {
  static const WhereOptions options{{"region", std::string("eu")}, {"n", 5.0}, {"on", true}};
  auto tree = parse_where(source, options);
  if (!tree.ok()) {
    check_error(tree.status());
    return nullptr;
  }
  auto program = WhereProgram::compile(**tree, source, table.columns, "shop.t", is_filter);
  if (program.ok()) return std::move(program).value();
  check_error(program.status());
  return nullptr;
}

void evaluate(const Table& table, const WhereSource& source, WhereRun& run) {
  auto filter = compile(table, source, true);
  WhereSource opposite = source;
  opposite.text = "NOT (" + source.text + "\n)";
  auto negated = filter ? compile(table, opposite, true) : nullptr;
  auto column = compile(table, source, false);
  FUZZ_CHECK(!filter || column);  // a filter is also a value
  for (const std::vector<Value>* row : {&table.row, &table.nulls}) {
    if (filter) {
      WhereRun::Verdict verdict = run.test(*filter, row->data());
      if (verdict == WhereRun::Verdict::kFailed) check_error(run.error());
      FUZZ_CHECK(run.test(*filter, row->data()) == verdict);
      // Nothing is both true and false.
      bool both = negated && verdict == WhereRun::Verdict::kYes && run.test(*negated, row->data()) == WhereRun::Verdict::kYes;
      FUZZ_CHECK(!both);
    }
    if (column) {
      Arena arena(256);
      Value value = Value::null();
      if (!run.value(*column, row->data(), nullptr, arena, value)) check_error(run.error());
      FUZZ_CHECK(value.is_null() || value.kind == column->result().kind);
      // Text stays text; not where the filter itself is none, as in the bytes of a literal.
      if (value.kind == Kind::kText && is_utf8(source.text)) FUZZ_CHECK(is_utf8(value.text()));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Table table;
  static WhereRun run;
  fuzz::Input in(data, size);
  uint8_t choice = in.u8();
  WhereSource source;
  source.dialect = choice & 1 ? WhereDialect::kOms : WhereDialect::kMysql;
  source.text = std::string(in.rest());
  if (choice & 2) {
    source.file = "f.lua";
    source.line = 3;
  }
  evaluate(table, source, run);
  return 0;
}
