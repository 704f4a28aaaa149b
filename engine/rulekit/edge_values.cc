#include "rulekit/edge_values.h"

#include <fmt/format.h>

#include <algorithm>

#include "rule/value_write.h"
#include "rulekit/sql_literal.h"

namespace tailrace {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(text, out);
  return out;
}

std::string fraction(const Column& column, char digit) { return column.scale ? "." + std::string(column.scale, digit) : ""; }

// POINT(0 0) with SRID 0, as the server stores it.
constexpr char kPoint[] = "x'00000000010100000000000000000000000000000000000000'";

bool is_address(const Column& column) { return column.type_name == "uuid" || column.type_name == "inet4" || column.type_name == "inet6"; }

}  // namespace

std::string plain_value(const Column& column) {
  switch (column.kind) {
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kBit: return "1";
    case Kind::kYear: return "2026";
    case Kind::kDouble: return "1.5";
    case Kind::kDecimal: return column.length > column.scale ? "1" : "0";
    case Kind::kText:
      if (column.type_name == "uuid") return "'123e4567-e89b-12d3-a456-426655440000'";
      if (column.type_name == "inet4") return "'10.0.0.1'";
      if (column.type_name == "inet6") return "'2001:db8::1'";
      return column.length == 0 && (column.type_name == "char" || column.type_name == "varchar") ? "''" : "'a'";
    case Kind::kBytes: return column.length == 0 && column.type_name == "varbinary" ? "x''" : "x'61'";
    case Kind::kJson: return "'{\"a\": 1}'";
    case Kind::kDate: return "'2026-01-02'";
    case Kind::kTime: return quoted("01:02:03" + fraction(column, '0'));
    case Kind::kDateTime:
    case Kind::kTimestamp: return quoted("2026-01-02 03:04:05" + fraction(column, '0'));
    case Kind::kEnum:
    case Kind::kSet: return column.labels.empty() ? "''" : quoted(column.labels[0]);
    case Kind::kGeometry: return kPoint;
    default: return "NULL";
  }
}

std::vector<std::string> edge_values(const Column& column) {
  constexpr uint32_t kLongest = 4096;  // as long as anybody needs to see a length fault
  switch (column.kind) {
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kBit: {
      int64_t low = 0;
      uint64_t high = 0;
      integer_range(column, low, high);
      return {fmt::format("{}", low), "0", fmt::format("{}", high)};
    }
    case Kind::kYear: return {"0", "1901", "2155"};
    case Kind::kDouble:
      return column.type_name == "float" ? std::vector<std::string>{"-3.4028235e+38", "0", "3.4028235e+38"}
                                         : std::vector<std::string>{"-1.7976931348623157e+308", "0", "1.7976931348623157e+308"};
    case Kind::kDecimal: {
      std::string whole(column.length > column.scale ? column.length - column.scale : 0, '9');
      std::string most = (whole.empty() ? "0" : whole) + fraction(column, '9');
      return {"-" + most, "0", most};
    }
    case Kind::kText: {
      if (is_address(column)) return {};
      bool sized = column.type_name == "char" || column.type_name == "varchar";
      uint32_t longest = std::min(sized ? column.length : column.type_name == "tinytext" ? 255u : kLongest, kLongest);
      return {"''", quoted(std::string(longest, 'x'))};
    }
    case Kind::kBytes: {
      bool sized = column.type_name == "binary" || column.type_name == "varbinary";
      std::string digits;
      for (uint32_t i = 0; i < std::min(sized ? column.length : 255u, kLongest); ++i) digits += "ff";
      return {"x''", "x'" + digits + "'"};
    }
    case Kind::kJson: return {"'null'", "'[]'"};
    case Kind::kDate: return {"'0000-00-00'", "'2026-00-00'", "'9999-12-31'"};
    case Kind::kTime: return {quoted("-838:59:59" + fraction(column, '0')), quoted("838:59:59" + fraction(column, '0'))};
    case Kind::kDateTime:
      return {quoted("0000-00-00 00:00:00" + fraction(column, '0')), quoted("9999-12-31 23:59:59" + fraction(column, '9'))};
    case Kind::kTimestamp:
      return {quoted("0000-00-00 00:00:00" + fraction(column, '0')), quoted("2038-01-19 03:14:07" + fraction(column, '9'))};
    case Kind::kEnum: return {"''", column.labels.empty() ? "''" : quoted(column.labels.back())};
    case Kind::kSet: {
      std::string all;
      for (const std::string& label : column.labels) all += (all.empty() ? "" : ",") + label;
      return {"''", quoted(all)};
    }
    default: return {};
  }
}

}  // namespace tailrace
