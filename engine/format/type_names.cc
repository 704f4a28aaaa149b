#include "format/type_names.h"

#include <fmt/format.h>

namespace tailrace {
namespace {

// java.sql.Types: BIT -7, TINYINT -6, BIGINT -5, LONGVARBINARY -4, VARBINARY -3, BINARY -2, CHAR 1, NUMERIC 2, DECIMAL 3,
// INTEGER 4, SMALLINT 5, FLOAT 6, REAL 7, DOUBLE 8, VARCHAR 12, DATE 91, TIME 92, TIMESTAMP 93, BLOB 2004, CLOB 2005.
constexpr TypeNames kMysql[] = {
    {"tinyint", -6, -6, 1, "int16"},
    {"smallint", 5, 5, 2, "int16"},
    {"mediumint", 4, 4, 9, "int32"},
    {"int", 4, 4, 3, "int32"},
    {"bigint", -5, -5, 8, "int64"},
    {"float", 6, 7, 4, "float64"},
    {"double", 8, 8, 5, "float64"},
    {"decimal", 3, 3, 246, "string"},
    {"bit", -7, -7, 16, "bytes"},
    {"year", 12, 12, 13, "int32"},
    {"char", 1, 1, 254, "string"},
    {"varchar", 12, 12, 15, "string"},
    {"tinytext", 2005, 2005, 252, "string"},
    {"text", 2005, 2005, 252, "string"},
    {"mediumtext", 2005, 2005, 252, "string"},
    {"longtext", 2005, 2005, 252, "string"},
    {"enum", 4, 4, 247, "string"},
    {"set", -7, -7, 248, "string"},
    {"binary", 2004, 2004, 254, "bytes"},
    {"varbinary", 2004, 2004, 15, "bytes"},
    {"tinyblob", 2004, 2004, 252, "bytes"},
    {"blob", 2004, 2004, 252, "bytes"},
    {"mediumblob", 2004, 2004, 252, "bytes"},
    {"longblob", 2004, 2004, 252, "bytes"},
    {"vector", 2004, 2004, 242, "bytes"},
    {"date", 91, 91, 10, "int32"},
    {"time", 92, 92, 11, "int64"},
    {"datetime", 93, 93, 12, "int64"},
    {"timestamp", 93, 93, 7, "string"},
    {"json", 12, 12, 245, "string"},
    {"geometry", 2004, 2004, 255, "bytes"},
    {"point", 2004, 2004, 255, "bytes"},
    {"linestring", 2004, 2004, 255, "bytes"},
    {"polygon", 2004, 2004, 255, "bytes"},
    {"multipoint", 2004, 2004, 255, "bytes"},
    {"multilinestring", 2004, 2004, 255, "bytes"},
    {"multipolygon", 2004, 2004, 255, "bytes"},
    {"geometrycollection", 2004, 2004, 255, "bytes"},
    {"geomcollection", 2004, 2004, 255, "bytes"},
    {"uuid", 1, 1, 254, "string"},
    {"inet4", 1, 1, 254, "string"},
    {"inet6", 1, 1, 254, "string"},
};
constexpr TypeNames kOfBytes{"", 2004, 2004, 252, "bytes"};
constexpr TypeNames kOfText{"", 12, 12, 15, "string"};
constexpr TypeNames kOfNumber{"", 2, 2, 246, "string"};

constexpr OracleType kOracle[] = {
    {"INTEGER", Kind::kDecimal, 4, false},
    {"NUMBER", Kind::kDecimal, 2, false},
    {"FLOAT", Kind::kDecimal, 6, false},
    {"BINARY_FLOAT", Kind::kDouble, 100, false},
    {"BINARY_DOUBLE", Kind::kDouble, 101, false},
    {"CHAR", Kind::kText, 1, false},
    {"NCHAR", Kind::kText, -15, false},
    {"VARCHAR", Kind::kText, 12, false},
    {"VARCHAR2", Kind::kText, 12, false},
    {"NVARCHAR2", Kind::kText, -9, false},
    {"INTERVAL YEAR TO MONTH", Kind::kText, -103, false},
    {"INTERVAL DAY TO SECOND", Kind::kText, -104, false},
    {"CLOB", Kind::kText, 2005, false},
    {"NCLOB", Kind::kText, 2011, false},
    {"ROWID", Kind::kText, -8, false},
    {"UROWID", Kind::kText, -8, false},
    {"BLOB", Kind::kBytes, 2004, false},
    {"BFILE", Kind::kBytes, -13, false},
    {"RAW", Kind::kBytes, -3, false},
    {"DATE", Kind::kText, 93, true},
    {"TIMESTAMP", Kind::kText, 93, true},
    {"TIMESTAMP WITH TIME ZONE", Kind::kText, -101, true},
    {"TIMESTAMP WITH LOCAL TIME ZONE", Kind::kText, -102, true},
};

std::string upper_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

}  // namespace

const TypeNames& type_names(const Column& column) noexcept {
  for (const TypeNames& row : kMysql) {
    if (row.type == column.type_name) return row;
  }
  switch (column.kind) {
    case Kind::kBytes:
    case Kind::kGeometry:
    case Kind::kBit: return kOfBytes;
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDouble:
    case Kind::kDecimal: return kOfNumber;
    default: return kOfText;
  }
}

std::string upper_type(const Column& column) { return upper_case(column.type_name); }
std::string lower_type(const Column& column) {
  std::string out = column.type_name;
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::span<const OracleType> oracle_types() noexcept { return kOracle; }

bool is_oracle_mode(std::string_view db_type) noexcept { return upper_case(db_type).find("ORACLE") != std::string::npos; }
Status refuse_oracle_mode(std::string_view format, std::string_view db_type) {
  if (!is_oracle_mode(db_type)) return {};
  return Status(
      ErrorCode::kConfigBadValue,
      fmt::format("db_type {}: the {} format is for sources in MySQL mode; take default, canal, dataworks or shareplex", db_type, format));
}

bool is_oceanbase(std::string_view db_type) noexcept { return upper_case(db_type).substr(0, 2) == "OB"; }

}  // namespace tailrace
