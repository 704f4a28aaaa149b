// The quick tests of a filter say what its steps say, which tests/parity/test_where.py compares with servers. `x XOR FALSE` is
// x, and is no quick test.
#include <cstring>

#include "rule/where_program.h"
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;

namespace {

Result<std::shared_ptr<const WhereProgram>> compile(const std::string& text, const std::vector<Column>& columns, WhereDialect dialect) {
  WhereSource source;
  source.text = text;
  source.dialect = dialect;
  TAILRACE_TRY(auto tree, parse_where(source, {}));
  return WhereProgram::compile(*tree, source, columns, "shop.t", true);
}

struct Subject {
  const char* column;
  std::vector<const char*> constants;
  std::vector<Value> values;
};

Value decimal(const char* text, uint8_t scale) {
  return Value::of_text(Kind::kDecimal, text, static_cast<uint32_t>(std::strlen(text)), scale);
}
Value moment(uint64_t day, unsigned hour) {
  return Value::of_bits(Kind::kDateTime, pack_datetime({2026, 1, static_cast<unsigned>(day)}, {hour, 0, 0, 0}));
}

}  // namespace

TEST_CASE("quick tests say what the steps say") {
  const std::vector<const char*> words{"'new'", "'NEW'", "'new '", "''", "'a_b'", "'n%'", "'né'", "'z'", "'ne'", "' '"};
  const std::vector<Value> texts{text_value("new"),       text_value("New"),        text_value("new  "), text_value(""),
                                 text_value("né"),        text_value("ne\xCC\x81"), text_value("ne"),    text_value("newer"),
                                 text_value("new\t"),     text_value("new\x01"),    text_value("zz"),    text_value(" "),
                                 text_value("N\xC3\x89W")};
  const std::vector<Subject> subjects{
      {"i int",
       {"0", "-5", "7", "9223372036854775807", "18446744073709551615", "'7'"},
       {Value::of_int(0), Value::of_int(-5), Value::of_int(7)}},
      {"i bigint unsigned",
       {"0", "-5", "7", "9223372036854775807", "18446744073709551615"},
       {Value::of_uint(0), Value::of_uint(7), Value::of_uint(~uint64_t{0}), Value::of_uint(uint64_t{1} << 63)}},
      {"i decimal(20,2)",
       {"0", "-1.5", "1.50", "1.505", "12345678901234567.89", "99999999999999999999"},
       {decimal("0.00", 2), decimal("-1.50", 2), decimal("1.50", 2), decimal("1.51", 2), decimal("123456789012345678.90", 2),
        decimal("12345678901234567.89", 2)}},
      {"i double", {"0", "1.5", "-1e3"}, {Value::of_double(0), Value::of_double(1.5), Value::of_double(-1e3), Value::of_double(2e300)}},
      {"i date",
       {"'2026-01-02'", "'2026-01-02 10:00:00'"},
       {Value::of_bits(Kind::kDate, pack_date(2026, 1, 2)), Value::of_bits(Kind::kDate, pack_date(2026, 1, 3)),
        Value::of_bits(Kind::kDate, 0)}},
      {"i datetime",
       {"'2026-01-02'", "'2026-01-02 10:00:00'", "'0000-00-00'"},
       {moment(2, 0), moment(2, 10), moment(2, 11), Value::of_bits(Kind::kDateTime, 0)}},
      {"i timestamp(6)",
       {"'2026-01-02'", "'2026-01-01 00:00:00.5'", "'1969-01-01'", "'0000-00-00'"},
       {Value::of_bits(Kind::kTimestamp, 0, 6), Value::of_bits(Kind::kTimestamp, 1767225600000000, 6),
        Value::of_bits(Kind::kTimestamp, 1767225600500000, 6), Value::of_bits(Kind::kTimestamp, 1, 6)}},
      {"i enum('new','NEWER','')",
       {"'new'", "'n%'", "'newer'", "''"},
       {Value::of_bits(Kind::kEnum, 0), Value::of_bits(Kind::kEnum, 1), Value::of_bits(Kind::kEnum, 2), Value::of_bits(Kind::kEnum, 3),
        Value::of_bits(Kind::kEnum, 9)}},
      {"i varbinary(20)",
       words,
       {text_value("new", Kind::kBytes), text_value("New", Kind::kBytes), text_value("new ", Kind::kBytes), text_value("", Kind::kBytes)}},
      {"i varchar(20)", words, texts},
  };
  size_t compared = 0;
  for (const Subject& subject : subjects) {
    Column column = parse_sql_type(std::string(subject.column).substr(2)).value();
    column.name = "i";
    std::vector<uint16_t> charsets{column.charset};
    if (column.kind == Kind::kText) charsets = {63, 65, 46, 309, 11, 45, 255};
    for (uint16_t charset : charsets) {
      column.charset = charset;
      for (const char* constant : subject.constants) {
        for (const char* form : {"i = C", "i <> C", "i < C", "i <= C", "C < i", "C >= i", "i <=> C", "i IN (C, NULL)", "i NOT IN (C)",
                                 "NOT (i > C)", "i BETWEEN C AND C", "i LIKE C", "i = C AND i IS NOT NULL", "i IS NULL OR i = C",
                                 "(i = C) IS NOT TRUE", "(i = C) IS FALSE"}) {
          std::string text = form;
          for (size_t at; (at = text.find('C')) != std::string::npos;) text.replace(at, 1, constant);
          for (WhereDialect dialect : {WhereDialect::kMysql, WhereDialect::kOms}) {
            auto quick = compile(text, {column}, dialect);
            auto steps = compile("(" + text + ") XOR FALSE", {column}, dialect);
            INFO(subject.column << " collation " << charset << ": " << text);
            CHECK(quick.ok() == steps.ok());
            if (!quick.ok()) continue;
            std::vector<Value> values = subject.values;
            values.push_back(Value::null());
            for (const Value& value : values) {
              WhereRun one, other;
              INFO("value " << (value.is_null() ? "NULL" : to_text(value, column)));
              CHECK(one.test(**quick, &value) == other.test(**steps, &value));
              ++compared;
            }
          }
        }
      }
    }
  }
  CHECK(compared > 10000);
}

// MySQL 9 compares by the CAST's collation, utf8mb4_0900_ai_ci, where `_` stands before `-`.
TEST_CASE("a CAST beside a text of ASCII is refused, a literal is not") {
  Column column = parse_sql_type("varchar(20)").value();
  column.name = "i";
  column.charset = 11;
  CHECK(compile("'-5' >= i", {column}, WhereDialect::kMysql).ok());
  auto refused = compile("CAST(-5 AS CHAR) >= i", {column}, WhereDialect::kMysql);
  REQUIRE(!refused.ok());
  CHECK_THAT(refused.status().to_string(), Catch::Matchers::Contains("add COLLATE utf8mb4_bin"));
  CHECK(compile("CAST(-5 AS CHAR) COLLATE utf8mb4_bin >= i", {column}, WhereDialect::kMysql).ok());
}
