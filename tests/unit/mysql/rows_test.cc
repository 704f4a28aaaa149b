#include "mysql/rows_decoder.h"

#include "event/value_text.h"
#include "mysql/type_info.h"
#include "unit/catch.h"

using namespace tailrace;
using namespace std::string_literals;

namespace {

FormatDescription format_of() {
  FormatDescription format;
  format.post_header.fill(8);
  format.post_header[30] = format.post_header[31] = format.post_header[32] = format.post_header[39] = 10;
  return format;
}

SchemaRef schema_of(const std::vector<std::pair<std::string, uint16_t>>& types) {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = "d";
  schema->table = "t";
  for (size_t i = 0; i < types.size(); ++i) {
    auto column = column_from_type("c" + std::to_string(i), types[i].first, true, types[i].second);
    REQUIRE(column.ok());
    schema->columns.push_back(*column);
  }
  return schema;
}

// TABLE_MAP body of table 7, d.t, without optional metadata.
std::string map_of(const std::string& types, const std::string& meta, const std::string& optional = "") {
  std::string body = "\x07\0\0\0\0\0\x01\0"s +
                     "\x01"
                     "d\0\x01"
                     "t\0"s;
  body += static_cast<char>(types.size());
  body += types;
  body += static_cast<char>(meta.size());
  body += meta;
  body += std::string((types.size() + 7) / 8, '\xFF');
  return body + optional;
}

// WRITE_ROWS v2 body for table 7, all columns present.
std::string write_of(size_t columns, const std::string& rows) {
  std::string body = "\x07\0\0\0\0\0\x01\0\x02\0"s;
  body += static_cast<char>(columns);
  std::string bitmap((columns + 7) / 8, '\xFF');
  if (columns % 8) bitmap.back() = static_cast<char>((1 << columns % 8) - 1);
  return body + bitmap + rows;
}

struct Decoded {
  Status status;
  EventBatch batch;
  std::shared_ptr<std::string> bytes;  // text of the rows points into them
};

Decoded decode(const SchemaRef& schema, const std::string& map_body, uint8_t type, const std::string& rows_body) {
  Decoded out;
  out.bytes = std::make_shared<std::string>(rows_body);
  FormatDescription format = format_of();
  auto map = parse_table_map(map_body, format);
  if (!map.ok()) return {map.status(), EventBatch(), nullptr};
  auto plan = make_row_plan(*map, schema);
  if (!plan.ok()) return {plan.status(), EventBatch(), nullptr};
  auto event = parse_rows_event(type, *out.bytes, format);
  if (!event.ok()) return {event.status(), EventBatch(), nullptr};
  RowsDecoder decoder;
  uint64_t ordinal = 0;
  out.status = decoder.decode(**plan, *event, 0, ordinal, out.batch);
  if (out.status.ok()) {
    auto counted = decoder.count(**plan, *event);
    REQUIRE(counted.ok());
    CHECK(*counted == out.batch.events.size());
  }
  return out;
}

std::string texts(const TableSchema& schema, Row row) {
  std::string out;
  for (size_t i = 0; i < row.size(); ++i) {
    out += row[i].is_null() ? "NULL" : row[i].is_absent() ? "-" : to_text(row[i], schema.columns[i]);
    out += "|";
  }
  return out;
}

}  // namespace

TEST_CASE("Numbers and temporals decode to their values") {
  auto one = [](const std::string& type, uint16_t collation, const std::string& code, const std::string& meta, const std::string& bytes) {
    SchemaRef schema = schema_of({{type, collation}});
    Decoded d = decode(schema, map_of(code, meta), 30, write_of(1, "\0"s + bytes));
    if (!d.status.ok()) return d.status.to_string();
    REQUIRE(d.batch.events.size() == 1);
    return to_text(d.batch.events[0].after[0], schema->columns[0]);
  };
  CHECK(one("tinyint", 0, "\x01", "", "\xFF") == "-1");
  CHECK(one("tinyint unsigned", 0, "\x01", "", "\xFF") == "255");
  CHECK(one("smallint", 0, "\x02", "", "\x00\x80"s) == "-32768");
  CHECK(one("mediumint", 0, "\x09", "", "\x00\x00\x80"s) == "-8388608");
  CHECK(one("mediumint unsigned", 0, "\x09", "", "\xFF\xFF\xFF") == "16777215");
  CHECK(one("int unsigned", 0, "\x03", "", "\xFF\xFF\xFF\xFF") == "4294967295");
  CHECK(one("bigint", 0, "\x08", "", "\0\0\0\0\0\0\0\x80"s) == "-9223372036854775808");
  CHECK(one("float", 0, "\x04", "\x04", "\xCD\xCC\xCC\x3D") == "0.1");
  CHECK(one("double", 0, "\x05", "\x08", "\x9A\x99\x99\x99\x99\x99\xB9\x3F") == "0.1");
  CHECK(one("decimal(3,1)", 0, "\xF6", "\x03\x01", "\x7F\xFA") == "-0.5");
  CHECK(one("year(4)", 0, "\x0D", "", "\x7C") == "2024");
  CHECK(one("year(4)", 0, "\x0D", "", "\0"s) == "0000");
  CHECK(one("date", 0, "\x0A", "", "\x22\xD0\x0F") == "2024-01-02");
  CHECK(one("date", 0, "\x0A", "", "\0\0\0"s) == "0000-00-00");
  // TIME2: offset-binary; 12:34:56 is 12 << 12 | 34 << 6 | 56 = 0x00C8B8.
  CHECK(one("time", 0, "\x13", "\0"s, "\x80\xC8\xB8") == "12:34:56");
  CHECK(one("time", 0, "\x13", "\0"s, "\x7F\x37\x48") == "-12:34:56");
  // -00:00:00.01: one hundredth below zero over all 32 bits.
  CHECK(one("time(2)", 0, "\x13", "\x02", "\x7F\xFF\xFF\xFF") == "-00:00:00.01");
  CHECK(one("time(6)", 0, "\x13", "\x06", "\x80\xC8\xB8\x0C\x0A\x14"s) == "12:34:56.789012");
  // DATETIME2: 1 << 39 | (2024 * 13 + 1) << 22 | 2 << 17 | 3 << 12 | 4 << 6 | 5.
  CHECK(one("datetime", 0, "\x12", "\0"s, "\x99\xB2\x44\x31\x05"s) == "2024-01-02 03:04:05");
  CHECK(one("datetime(1)", 0, "\x12", "\x01", "\x99\xB2\x44\x31\x05\x46"s) == "2024-01-02 03:04:05.7");
  CHECK(one("datetime", 0, "\x12", "\0"s, "\x80\0\0\0\0"s) == "0000-00-00 00:00:00");
  CHECK(one("timestamp", 0, "\x11", "\0"s, "\x00\x00\x00\x01"s) == "1970-01-01 00:00:01");
  CHECK(one("timestamp(6)", 0, "\x11", "\x06", "\x7F\xFF\xFF\xFF\x0F\x42\x3F") == "2038-01-19 03:14:07.999999");
  CHECK(one("timestamp", 0, "\x11", "\0"s, "\0\0\0\0"s) == "0000-00-00 00:00:00");
  // The forms before MySQL 5.6.
  CHECK(one("time", 0, "\x0B", "", "\x40\xE2\x01"s) == "12:34:56");  // 123456
  CHECK(one("time", 0, "\x0B", "", "\xC0\x1D\xFE") == "-12:34:56");
  CHECK(one("datetime", 0, "\x0C", "", "\x45\x7C\x17\x84\x68\x12\0\0"s) == "2024-01-02 03:04:05");  // 20240102030405
  CHECK(one("timestamp", 0, "\x07", "", "\x01\0\0\0"s) == "1970-01-01 00:00:01");
  CHECK(one("bit(10)", 0, "\x10", "\x02\x01", "\x02\x01") == "513");
  CHECK(one("enum('a','b')", 45, "\xFE", "\xF7\x01", "\x02") == "b");
  CHECK(one("enum('a','b')", 45, "\xFE", "\xF7\x01", "\0"s) == "");
  CHECK(one("set('x','y','z')", 45, "\xFE", "\xF8\x01", "\x05") == "x,z");
}

TEST_CASE("Strings decode by length prefix and charset") {
  auto one = [](const std::string& type, uint16_t collation, const std::string& code, const std::string& meta, const std::string& bytes) {
    SchemaRef schema = schema_of({{type, collation}});
    Decoded d = decode(schema, map_of(code, meta), 30, write_of(1, "\0"s + bytes));
    return d.status.ok() ? to_text(d.batch.events[0].after[0], schema->columns[0]) : std::string(error_info(d.status.code()).text);
  };
  CHECK(one("varchar(10)", 45, "\x0F", "\x28\0"s,
            "\x03"
            "a\xC3\xA9") == "a\xC3\xA9");
  CHECK(one("varchar(100)", 45, "\x0F", "\x90\x01", "\x02\0ab"s) == "ab");  // 400 bytes: two-byte length
  CHECK(one("char(5)", 8, "\xFE", "\xFE\x05", "\x02h\xE9") == "h\xC3\xA9");
  CHECK(one("char(255)", 45, "\xFE", "\xCE\xFC", "\x02\0ab"s) == "ab");  // 1020 bytes hidden in the type byte
  CHECK(one("binary(4)", 63, "\xFE", "\xFE\x04",
            "\x02"
            "ab") == "ab\0\0"s);
  CHECK(one("varbinary(4)", 63, "\x0F", "\x04\0"s,
            "\x03"
            "a\0\0"s) == "a\0\0"s);
  CHECK(one("text", 45, "\xFC", "\x02", "\x02\0ab"s) == "ab");
  CHECK(one("longblob", 63, "\xFC", "\x04", "\x01\0\0\0\xFF"s) == "\xFF");
  CHECK(one("json", 0, "\xF5", "\x04", "\x03\0\0\0\x05\x01\0"s) == "1");
  CHECK(one("inet6", 63, "\xFE", "\xFE\x10", "\0"s) == "::");  // trailing zeros are not logged
  CHECK(one("inet4", 63, "\xFE", "\xFE\x04", "\x02\x01\x02") == "1.2.0.0");
  CHECK(one("varchar(10)", 45, "\x0F", "\x28\0"s, "\x01\xFF") == "SRC-0018");  // not UTF-8
  CHECK(one("varchar(10)", 45, "\x0F", "\x28\0"s,
            "\x7F"
            "ab") == "SRC-0008");  // longer than the event
  CHECK(one("varchar(10)", 0, "\x0F", "\x28\0"s,
            "\x01"
            "a") == "SCH-0001");  // charset not known
}

TEST_CASE("Updates have two images, absent columns are not NULL") {
  SchemaRef schema = schema_of({{"int", 0}, {"varchar(10)", 45}, {"int", 0}});
  // Before: column 0 only. After: columns 1 and 2, the last NULL.
  std::string body = "\x07\0\0\0\0\0\x01\0\x02\0\x03"s + "\x01"s + "\x06"s + "\0\x05\0\0\0"s + "\x02\x01x"s;
  Decoded d = decode(schema, map_of("\x03\x0F\x03", "\x28\0"s), 31, body);
  REQUIRE(d.status.ok());
  REQUIRE(d.batch.events.size() == 1);
  CHECK(d.batch.events[0].op == Op::kUpdate);
  CHECK(texts(*schema, d.batch.events[0].before) == "5|-|-|");
  CHECK(texts(*schema, d.batch.events[0].after) == "-|x|NULL|");
}

TEST_CASE("Several rows in one event, v1 and v2, with extra data") {
  SchemaRef schema = schema_of({{"int", 0}});
  std::string rows = "\0\x01\0\0\0\x01\0\x03\0\0\0"s;
  std::string v1 = "\x07\0\0\0\0\0\x01\0\x01\x01"s + rows;
  std::string extra = "\x07\0\0\0\0\0\x01\0\x05\0abc\x01\x01"s + rows;
  for (const std::string& body : {v1, extra}) {
    Decoded d = decode(schema, map_of("\x03", ""), body == v1 ? 25 : 32, body);
    REQUIRE(d.status.ok());
    REQUIRE(d.batch.events.size() == 3);
    CHECK(d.batch.events[0].op == Op::kDelete);
    CHECK(texts(*schema, d.batch.events[0].before) == "1|");
    CHECK(texts(*schema, d.batch.events[1].before) == "NULL|");
    CHECK(texts(*schema, d.batch.events[2].before) == "3|");
    CHECK(d.batch.events[2].ordinal == 2);
  }
}

TEST_CASE("A schema that does not fit the log is refused and the difference named") {
  auto refusal = [](const SchemaRef& schema, const std::string& map) {
    Decoded d = decode(schema, map, 30, write_of(schema->columns.size(), ""));
    REQUIRE_FALSE(d.status.ok());
    CHECK(d.status.code() == ErrorCode::kSchemaMismatch);
    return d.status.to_string();
  };
  CHECK(refusal(schema_of({{"int", 0}}), map_of("\x03\x03", "")).find("2 columns, the schema 1") != std::string::npos);
  CHECK(refusal(schema_of({{"bigint", 0}}), map_of("\x03", "")).find("`c0` is int in the log, bigint") != std::string::npos);
  CHECK(refusal(schema_of({{"decimal(10,3)", 0}}), map_of("\xF6", "\x0A\x02")).find("decimal(10,2)") != std::string::npos);
  CHECK(refusal(schema_of({{"datetime(3)", 0}}), map_of("\x12", "\0"s)).find("0 fraction digits") != std::string::npos);
  CHECK(refusal(schema_of({{"binary(8)", 63}}), map_of("\xFE", "\xFE\x04")).find("4 bytes") != std::string::npos);
  // Signedness and names of full metadata.
  CHECK(refusal(schema_of({{"int", 0}}), map_of("\x03", "", "\x01\x01\x80")).find("unsigned in the log") != std::string::npos);
  CHECK(refusal(schema_of({{"int", 0}}), map_of("\x03", "", "\x04\x02\x01x")).find("named `x` in the log") != std::string::npos);
}

TEST_CASE("A TABLE_MAP without column metadata is told to be of MySQL 5.1 before its release") {
  // Test log bug32407.001 of MariaDB: one int column, and the event ends behind its type.
  auto map = parse_table_map("\x07\0\0\0\0\0\0\0\x04test\0\x02t1\0\x01\x03"s, format_of());
  REQUIRE(!map.ok());
  CHECK(map.status().code() == ErrorCode::kSourceUnsupported);
  CHECK(map.status().to_string().find("test.t1") != std::string::npos);
  map = parse_table_map("\x07\0\0\0\0\0\0\0\x04test\0\x02t1\0\x02\x03"s, format_of());
  REQUIRE(!map.ok());
  CHECK(map.status().code() == ErrorCode::kSourceCorrupt);
}

// As MySQL 9 logs (a vector(3), b varchar(60) of utf8mb3): without a place for the vector, b would be bytes.
TEST_CASE("A VECTOR has its place in MySQL's list of character sets") {
  auto map = parse_table_map(map_of("\xF2\x0F", "\x04\xB4\0"s, "\x03\x02\x3F\x21"), format_of());
  REQUIRE(map.ok());
  CHECK(map->columns[0].charset == 63);
  CHECK(map->columns[1].charset == 33);
  for (const char* list : {"\x03\x01\x3F", "\x03\x03\x3F\x21\x21"}) {
    auto wrong = parse_table_map(map_of("\xF2\x0F", "\x04\xB4\0"s, list), format_of());
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.status().code() == ErrorCode::kSourceCorrupt);
  }
}

TEST_CASE("MariaDB's VECTOR is a VARBINARY in the log") {
  auto map = parse_table_map(map_of("\x0F", "\x0C\0"s), format_of());
  REQUIRE(map.ok());
  CHECK(make_row_plan(*map, schema_of({{"vector(3)", 63}})).ok());
  CHECK_FALSE(make_row_plan(*map, schema_of({{"vector(4)", 63}})).ok());
}

// What MySQL 9 logs of a SET('p') behind CONVERT TO CHARACTER SET utf16: it kept the one byte.
TEST_CASE("A label that is no text is told") {
  auto map = parse_table_map(map_of("\xFE", "\xF8\x01"s,
                                    "\x04\x02\x01x"
                                    "\x05\x03\x01\x01p"
                                    "\x0A\x01\x36"s),
                             format_of());
  REQUIRE(map.ok());
  auto schema = schema_from_table_map(*map, nullptr);
  REQUIRE_FALSE(schema.ok());
  CHECK(schema.status().code() == ErrorCode::kSchemaType);
  CHECK(schema.status().to_string().find("`x` of type set, with a label that is no text") != std::string::npos);
}

// As MariaDB 10.11 has them: the catalogue's INDEX_TYPE is HASH, and the log has a BIGINT more.
TEST_CASE("Hash columns of MariaDB's long unique keys are behind the table's own") {
  auto with_key = [](std::vector<std::pair<std::string, uint16_t>> types, std::vector<KeyPart> parts, bool unique = true) {
    auto schema = std::make_shared<TableSchema>(*schema_of(types));
    schema->keys.push_back({"k", unique, std::move(parts)});
    return SchemaRef(schema);
  };
  auto fits = [](const SchemaRef& schema, const std::string& types, const std::string& meta) {
    auto map = parse_table_map(map_of(types, meta), format_of());
    REQUIRE(map.ok());
    return make_row_plan(*map, schema).ok();
  };
  SchemaRef text = with_key({{"int", 0}, {"text", 45}}, {{1, 0}});
  CHECK(fits(text, "\x03\xFC\x08", "\x02"));
  CHECK_FALSE(fits(text, "\x03\xFC\x08\x08", "\x02"));  // more than there are keys
  CHECK_FALSE(fits(text, "\x03\xFC\x03", "\x02"));      // no BIGINT
  CHECK_FALSE(fits(with_key({{"int", 0}, {"text", 45}}, {{1, 0}}, false), "\x03\xFC\x08", "\x02"));
  CHECK_FALSE(fits(with_key({{"int", 0}, {"text", 45}}, {{1, 20}}), "\x03\xFC\x08", "\x02"));
  // 1,200 bytes are too long for a key in ROW_FORMAT=COMPACT, not for one in DYNAMIC.
  SchemaRef varchar = with_key({{"varchar(300)", 45}}, {{0, 0}});
  CHECK(fits(varchar, "\x0F\x08", "\xB0\x04"s));
  CHECK(fits(varchar, "\x0F", "\xB0\x04"s));
  CHECK_FALSE(fits(with_key({{"varchar(150)", 45}}, {{0, 0}}), "\x0F\x08", "\x58\x02"s));
  // A geometry's key has a hash where CREATE TABLE made it, and none once ALTER TABLE has made it anew.
  SchemaRef geometry = with_key({{"linestring", 63}}, {{0, 32}});
  CHECK(fits(geometry, "\xFF\x08", "\x04"));
  CHECK(fits(geometry, "\xFF", "\x04"));
}

TEST_CASE("Full metadata alone gives a schema") {
  std::string optional =
      "\x01\x01\x80"s      // c0 unsigned
      "\x03\x02\x08\x3F"s  // charsets: latin1, binary
      "\x04\x09\x02id\x01n\x03raw"s
      "\x08\x01\x00"s;  // key: column 0
  auto map = parse_table_map(map_of("\x03\x0F\x0F", "\x0A\0\x0A\0"s, optional), format_of());
  REQUIRE(map.ok());
  auto schema = schema_from_table_map(*map, nullptr);
  REQUIRE(schema.ok());
  const TableSchema& t = **schema;
  CHECK(t.columns[0].name == "id");
  CHECK(t.columns[0].type_text == "int unsigned");
  CHECK(t.columns[1].kind == Kind::kText);
  CHECK(t.columns[1].charset == 8);
  CHECK(t.columns[2].kind == Kind::kBytes);
  CHECK(t.primary_key == std::vector<uint16_t>{0});
  CHECK(make_row_plan(*map, *schema).ok());
}

TEST_CASE("Cut and flipped bytes never read out of bounds") {
  SchemaRef schema = schema_of({{"int", 0}, {"varchar(10)", 45}, {"decimal(10,2)", 0}, {"time(3)", 0}, {"json", 0}});
  std::string map = map_of("\x03\x0F\xF6\x13\xF5", "\x28\0\x0A\x02\x03\x04"s);
  std::string row = "\0\x05\0\0\0"s + "\x02hi"s + "\x80\0\0\x07\x32"s + "\x80\xC8\xB8\x1E\xD2"s + "\x06\0\0\0\x02\0\0\x04\0\0"s;
  std::string body = write_of(5, row);
  REQUIRE(decode(schema, map, 30,
                 write_of(5, "\0\x05\0\0\0"s + "\x02hi"s + "\x80\0\0\x07\x32"s + "\x80\xC8\xB8\x1E\xD2"s + "\x05\0\0\0\x02\0\0\x04\0"s))
              .status.ok());
  for (size_t n = 0; n < body.size(); ++n) (void)decode(schema, map, 30, std::string(body, 0, n)).status.ok();
  for (size_t n = 0; n < map.size(); ++n) CHECK_FALSE(decode(schema, map.substr(0, n), 30, body).status.ok());
  for (size_t i = 0; i < body.size() * 8; ++i) {
    std::string damaged = body;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << i % 8));
    (void)decode(schema, map, 30, damaged).status.ok();
  }
  for (size_t i = 0; i < map.size() * 8; ++i) {
    std::string damaged = map;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << i % 8));
    (void)decode(schema, damaged, 30, body).status.ok();
  }
}

namespace {

// PARTIAL_UPDATE_ROWS of (int, json, json); each image with the columns of its bitmap.
std::string partial_of(char present, char present_after, const std::string& rows) {
  return "\x07\0\0\0\0\0\x01\0\x02\0\x03"s + present + present_after + rows;
}

std::string sized(const std::string& bytes) { return std::string{static_cast<char>(bytes.size()), 0, 0, 0} + bytes; }

const std::string kFive = "\x05\0\0\0"s;
const std::string kDocument = "\0\x01\0\x0C\0\x0B\0\x01\0\x05\x01\0"s + "a";  // {"a": 1}
const std::string kSetA = "\0\x03$.a\x03\x05\x02\0"s;                         // replace $.a by 2
const std::string kAddB = "\x01\x03$.b\x02\x04\x01"s;                         // insert $.b, true

}  // namespace

TEST_CASE("Partial updates: diffs, whole documents, NULL and absent columns of one event") {
  SchemaRef schema = schema_of({{"int", 0}, {"json", 0}, {"json", 0}});
  std::string map = map_of("\x03\xF5\xF5", "\x04\x04");
  auto after = [&](const std::string& body) {
    Decoded d = decode(schema, map, 39, body);
    if (!d.status.ok()) return d.status.to_string();
    std::string out;
    for (const ChangeEvent& event : d.batch.events) {
      CHECK(event.op == Op::kUpdate);
      out += texts(*schema, event.before) + " -> " + texts(*schema, event.after) + "\n";
    }
    return out;
  };
  std::string both = "\0"s + kFive + sized(kDocument) + sized(kDocument);
  std::string before = "5|{\"a\": 1}|{\"a\": 1}| -> ";
  CHECK(after(partial_of(7, 7, both + "\x01\x03"s + "\0"s + kFive + sized(kSetA + kAddB) + sized(""))) ==
        before + "5|{\"a\": 2, \"b\": true}|{\"a\": 1}|\n");
  CHECK(after(partial_of(7, 7, both + "\x01\x01"s + "\0"s + kFive + sized(kSetA) + sized(kDocument))) ==
        before + "5|{\"a\": 2}|{\"a\": 1}|\n");
  CHECK(after(partial_of(7, 7, both + "\0"s + "\x02"s + kFive + sized(kDocument))) == before + "5|NULL|{\"a\": 1}|\n");
  // A bit stands for every JSON column of the table, in the image or not.
  CHECK(after(partial_of(7, 4, both + "\x01\x02"s + "\0"s + sized(kSetA))) == before + "-|-|{\"a\": 2}|\n");
  // Two rows: what the first had before is not what the second has.
  std::string nulls = "\x06"s + kFive;
  CHECK(after(partial_of(7, 7,
                         both + "\x01\x01"s + "\x04"s + kFive + sized(kSetA) + nulls + "\0"s + "\0"s + kFive + sized(kDocument) +
                             sized(kDocument))) == before + "5|{\"a\": 2}|NULL|\n5|NULL|NULL| -> 5|{\"a\": 1}|{\"a\": 1}|\n");

  auto refused = [&](const std::string& body, const std::string& code, const std::string& words) {
    std::string text = after(body);
    INFO(text);
    CHECK(text.rfind(code, 0) == 0);
    CHECK(text.find(words) != std::string::npos);
    CHECK(text.find("table=d.t column=c1") != std::string::npos);
  };
  refused(partial_of(1, 2, "\0"s + kFive + "\x01\x01"s + "\0"s + sized(kSetA)), "SRC-0022", "lacks the document");
  refused(partial_of(7, 2, "\x02"s + kFive + sized(kDocument) + "\x01\x01"s + "\0"s + sized(kSetA)), "SRC-0008", "was NULL");
  refused(partial_of(7, 2, both + "\x01\x01"s + "\0"s + sized(kAddB + kAddB)), "SRC-0008", "insert at $.b");
  std::string unknown = after(partial_of(7, 2, both + "\x02"s + "\0"s + sized(kDocument)));
  CHECK(unknown.find("row value options 2") != std::string::npos);
}

TEST_CASE("Cut and flipped partial updates never read out of bounds") {
  SchemaRef schema = schema_of({{"int", 0}, {"json", 0}, {"json", 0}});
  std::string map = map_of("\x03\xF5\xF5", "\x04\x04");
  std::string body = partial_of(
      7, 7, "\0"s + kFive + sized(kDocument) + sized(kDocument) + "\x01\x03"s + "\0"s + kFive + sized(kSetA + kAddB) + sized(kSetA));
  REQUIRE(decode(schema, map, 39, body).status.ok());
  constexpr size_t kNoRows = 13;  // an event of no rows is one
  for (size_t n = kNoRows + 1; n < body.size(); ++n) CHECK_FALSE(decode(schema, map, 39, std::string(body, 0, n)).status.ok());
  for (size_t i = 0; i < body.size() * 8; ++i) {
    std::string damaged = body;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << i % 8));
    (void)decode(schema, map, 39, damaged).status.ok();
  }
}

TEST_CASE("An INSERT gives columns that it leaves out their defaults") {
  auto schema = std::make_shared<TableSchema>(*schema_of({{"int", 0}, {"varchar(10)", 45}, {"int", 0}, {"int", 0}, {"int", 0}}));
  schema->columns[1].default_kind = Column::Default::kText;
  schema->columns[1].default_text = "dflt";
  schema->columns[2].default_kind = Column::Default::kNull;
  schema->columns[3].default_kind = Column::Default::kComputed;
  std::string map = map_of("\x03\x0F\x03\x03\x03", "\x28\0"s);
  // Column 0 only; the last two have no default that is known.
  Decoded d = decode(schema, map, 30, "\x07\0\0\0\0\0\x01\0\x02\0\x05\x01"s + "\0\x05\0\0\0"s);
  REQUIRE(d.status.ok());
  CHECK(texts(*schema, d.batch.events[0].after) == "5|dflt|NULL|-|-|");
  // What a delete or an update leaves out stays absent.
  d = decode(schema, map, 32, "\x07\0\0\0\0\0\x01\0\x02\0\x05\x01"s + "\0\x05\0\0\0"s);
  REQUIRE(d.status.ok());
  CHECK(texts(*schema, d.batch.events[0].before) == "5|-|-|-|-|");
}

TEST_CASE("The statement tells what a MariaDB update did to columns that its image lacks") {
  CHECK(what_lacks("replace into t (a) values (1)", "t") == Lacking::kDefault);
  CHECK(what_lacks("/* app */ REPLACE d.`T` SET a=1", "t") == Lacking::kDefault);
  CHECK(what_lacks("LOAD DATA INFILE 'x' REPLACE INTO TABLE t", "t") == Lacking::kDefault);
  CHECK(what_lacks("UPDATE t SET a=REPLACE(a, 'x', 'y')", "t") == Lacking::kUnchanged);
  CHECK(what_lacks("INSERT INTO \"t\" VALUES (1) ON DUPLICATE KEY UPDATE a=2", "t") == Lacking::kUnchanged);
  CHECK(what_lacks("REPLACE INTO other VALUES ('t')", "t") == Lacking::kUnknown);  // a trigger's rows
  CHECK(what_lacks("", "t") == Lacking::kUnknown);

  auto schema = std::make_shared<TableSchema>(*schema_of({{"int", 0}, {"int", 0}, {"int", 0}}));
  schema->primary_key = {0};
  schema->columns[2].default_kind = Column::Default::kText;
  schema->columns[2].default_text = "42";
  FormatDescription maria = format_of();
  maria.is_mariadb = true;
  auto map = parse_table_map(map_of("\x03\x03\x03", ""), maria);
  REQUIRE(map.ok());
  auto after = [&](char present_after, const std::string& image, Lacking lacking) {
    auto plan = make_row_plan(*map, schema);
    REQUIRE(plan.ok());
    std::string body = "\x07\0\0\0\0\0\x01\0\x02\0\x03\x01"s + present_after + "\0\x05\0\0\0"s + image;
    auto event = parse_rows_event(31, body, maria);
    REQUIRE(event.ok());
    event->lacking = lacking;
    RowsDecoder decoder;
    EventBatch batch;
    uint64_t ordinal = 0;
    Status status = decoder.decode(**plan, *event, 0, ordinal, batch);
    return status.ok() ? texts(*schema, batch.events[0].after) : status.to_string();
  };
  std::string key_and_value = "\0\x05\0\0\0\x07\0\0\0"s;
  CHECK(after(3, key_and_value, Lacking::kDefault) == "5|7|42|");
  CHECK(after(3, key_and_value, Lacking::kUnchanged) == "5|7|-|");
  std::string unknown = after(3, key_and_value, Lacking::kUnknown);
  CHECK(unknown.rfind("SRC-0022", 0) == 0);
  CHECK(unknown.find("column=c2") != std::string::npos);
  // Without its key, or with another, it is a plain update whatever the statement.
  CHECK(after(2, "\0\x07\0\0\0"s, Lacking::kUnknown) == "-|7|-|");
  CHECK(after(3, "\0\x06\0\0\0\x07\0\0\0"s, Lacking::kDefault) == "6|7|-|");
  schema->columns[2].default_kind = Column::Default::kComputed;
  CHECK(after(3, key_and_value, Lacking::kDefault).find("default is not known") != std::string::npos);
  schema->columns[2].generated = true;
  CHECK(after(2, "\0\x07\0\0\0"s, Lacking::kUnchanged).find("generated column") != std::string::npos);
}
