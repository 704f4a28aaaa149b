#include "format/avro_values.h"

#include <array>
#include <charconv>
#include <cstring>

#include "event/value_text.h"
#include "format/ewkt.h"
#include "format/record_key.h"
#include "format/text_values.h"
#include "format/type_names.h"

namespace tailrace {
namespace {

constexpr int64_t kIntegerPrecision = 8, kFloatPrecision = 8, kFloatScale = 64;
constexpr int64_t kZeroTimestamp = -9223372022400;  // OceanBase's zero datetime in seconds
constexpr int64_t kNanosecondsPerMicrosecond = 1000;
constexpr std::string_view kNoGeometry = "is no geometry that can be read";

struct Digits {
  int64_t precision, scale;
};
// As java.math.BigDecimal counts them: leading zeros are no digits, zero has one.
Digits digits_of(std::string_view text) noexcept {
  Digits out{0, 0};
  bool in_fraction = false;
  for (char c : text) {
    if (c == '.') {
      in_fraction = true;
    } else if (c >= '0' && c <= '9') {
      if (out.precision > 0 || c != '0') ++out.precision;
      if (in_fraction) ++out.scale;
    }
  }
  if (out.precision == 0) out.precision = 1;
  return out;
}

struct Seconds {
  int64_t seconds, nanoseconds;
};
Seconds seconds_of(const Value& value) noexcept {
  if (value.i == 0) return {kZeroTimestamp, 0};
  int64_t seconds = value.i / 1'000'000;
  int64_t rest = value.i % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  return {seconds, rest * kNanosecondsPerMicrosecond};
}

// year … millis; what the type lacks is absent.
struct DateTimeParts {
  std::array<std::optional<int64_t>, 7> parts;
};
constexpr std::string_view kPartNames[] = {"year", "month", "day", "hour", "minute", "second", "millis"};

DateTimeParts parts_of(const Value& value) noexcept {
  DateTimeParts out;
  auto set = [&](size_t from, auto... numbers) {
    for (int64_t number : {static_cast<int64_t>(numbers)...}) out.parts[from++] = number;
  };
  switch (value.kind) {
    case Kind::kYear: set(0, value.u); break;
    case Kind::kDate: {
      DateParts d = unpack_date(value.u);
      set(0, d.year, d.month, d.day);
      break;
    }
    case Kind::kDateTime: {
      DateParts d = datetime_date(value.u);
      TimeParts t = datetime_time(value.u);
      set(0, d.year, d.month, d.day, t.hour, t.minute, t.second);
      if (value.scale) set(6, t.microsecond);
      break;
    }
    default: {  // kTime; all parts carry the sign
      int64_t sign = value.i < 0 ? -1 : 1;
      int64_t us = value.i * sign;
      set(3, sign * (us / 3'600'000'000), sign * (us / 60'000'000 % 60), sign * (us / 1'000'000 % 60));
      if (value.scale) set(6, sign * (us % 1'000'000));
      break;
    }
  }
  return out;
}

bool is_utf8(std::string_view text) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = at + text.size();
  while (at != end) {
    size_t n = utf8_sequence(at, end);
    if (n == 0) return false;
    at += n;
  }
  return true;
}

// Label of an ENUM, labels of a SET. False: no such label.
bool label_of(const Value& value, const Column& column, std::string& out) {
  if (value.kind == Kind::kEnum && value.u > column.labels.size()) return false;
  append_text(value, column, out);
  return true;
}

void branch(AvroWriter& avro, AvroBranch which) { avro.raw(static_cast<char>(static_cast<uint8_t>(which) << 1)); }

// Branch, precision, and the digits behind their length, which is a single byte.
template <class T>
void write_integer(AvroWriter& avro, T value) {
  char* to = avro.reserve(32);
  to[0] = static_cast<char>(static_cast<uint8_t>(AvroBranch::kInteger) << 1);
  to[1] = static_cast<char>(kIntegerPrecision << 1);
  char* end = std::to_chars(to + 3, to + 3 + 24, value).ptr;
  to[2] = static_cast<char>((end - (to + 3)) << 1);
  avro.advance(end);
}

void write_characters(AvroWriter& avro, std::string_view text) {
  constexpr std::string_view kHead("\x04\x0Eutf8mb4", 9);  // branch, length of the charset's name, the name
  static_assert(static_cast<uint8_t>(AvroBranch::kCharacter) << 1 == 4);
  char* to = avro.reserve(kHead.size() + 10 + text.size());
  std::memcpy(to, kHead.data(), kHead.size());
  to = put_zigzag(to + kHead.size(), static_cast<int64_t>(text.size()));
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  avro.advance(to + text.size());
}

std::string_view write_object(AvroWriter& avro, AvroBranch which, const Column& column, std::string_view value) {
  if (which != AvroBranch::kBinaryObject && !is_utf8(value)) return kNoText;
  branch(avro, which);
  avro.text(column.type_name);
  avro.text(value);
  return {};
}

std::string_view write_value(AvroWriter& avro, const Column& column, const Value& value) {
  switch (value.kind) {
    case Kind::kAbsent:
      branch(avro, AvroBranch::kEmptyObject);
      avro.integer(1);  // NONE
      return {};
    case Kind::kNull: branch(avro, AvroBranch::kNull); return {};
    case Kind::kInt: write_integer(avro, value.i); return {};
    case Kind::kUint:
    case Kind::kBit: write_integer(avro, value.u); return {};
    case Kind::kDouble:
      branch(avro, AvroBranch::kFloat);
      avro.real(value.flags & kFloat32 ? float_as_printed(static_cast<float>(value.d)) : value.d);
      avro.integer(kFloatPrecision);
      avro.integer(kFloatScale);
      return {};
    case Kind::kDecimal: {
      Digits digits = digits_of(value.text());
      branch(avro, AvroBranch::kDecimal);
      avro.text(value.text());
      avro.integer(digits.precision);
      avro.integer(digits.scale);
      return {};
    }
    case Kind::kText: write_characters(avro, value.text()); return {};
    case Kind::kTimestamp: {
      Seconds time = seconds_of(value);
      branch(avro, AvroBranch::kTimestamp);
      avro.integer(time.seconds);
      avro.integer(time.nanoseconds);
      return {};
    }
    case Kind::kYear:
    case Kind::kDate:
    case Kind::kTime:
    case Kind::kDateTime: {
      branch(avro, AvroBranch::kDateTime);
      for (const auto& part : parts_of(value).parts) {
        avro.raw(part ? '\x02' : '\0');
        if (part) avro.integer(*part);
      }
      return {};
    }
    case Kind::kBytes: return write_object(avro, AvroBranch::kBinaryObject, column, value.text());
    case Kind::kJson: return write_object(avro, AvroBranch::kTextObject, column, value.text());
    case Kind::kEnum:
    case Kind::kSet: {
      std::string text;
      if (!label_of(value, column, text)) return "has an ENUM number without a label";
      return write_object(avro, AvroBranch::kTextObject, column, text);
    }
    case Kind::kGeometry: {
      std::string text;
      if (!append_ewkt(value.text(), text)) return kNoGeometry;
      return write_object(avro, AvroBranch::kTextGeometry, column, text);
    }
  }
  return "is of a kind this format does not know";
}

template <class T>
void print_integer(JsonWriter& json, T value) {
  json.raw(R"({"precision":8,"value":")");
  json.number(value);
  json.raw("\"}");
}

// {"type":…,"value":text}
std::string_view print_object(JsonWriter& json, const Column& column, std::string_view text) {
  json.raw(R"({"type":)");
  if (!json.string(column.type_name)) return kNoText;
  json.raw(R"(,"value":)");
  if (!json.string(text)) return kNoText;
  json.raw('}');
  return {};
}

std::string_view print_value(JsonWriter& json, const Column& column, const Value& value) {
  switch (value.kind) {
    case Kind::kAbsent: json.raw(R"("NONE")"); return {};
    case Kind::kNull: json.raw("null"); return {};
    case Kind::kInt: print_integer(json, value.i); return {};
    case Kind::kUint:
    case Kind::kBit: print_integer(json, value.u); return {};
    case Kind::kDouble:
      json.raw(R"({"value":)");
      if (!json.number(value.d, value.flags & kFloat32)) return "is not a finite number";
      json.raw(R"(,"precision":8,"scale":64})");
      return {};
    case Kind::kDecimal: {
      Digits digits = digits_of(value.text());
      json.raw(R"({"value":")");
      json.raw(value.text());
      json.raw(R"(","precision":)");
      json.number(digits.precision);
      json.raw(R"(,"scale":)");
      json.number(digits.scale);
      json.raw('}');
      return {};
    }
    case Kind::kText:
      json.raw(R"({"charset":"utf8mb4","value":{"bytes":)");
      json.latin1(value.text());
      json.raw("}}");
      return {};
    case Kind::kTimestamp: {
      Seconds time = seconds_of(value);
      json.raw(R"({"timestamp":)");
      json.number(time.seconds);
      json.raw(R"(,"millis":)");
      json.number(time.nanoseconds);
      json.raw('}');
      return {};
    }
    case Kind::kYear:
    case Kind::kDate:
    case Kind::kTime:
    case Kind::kDateTime: {
      DateTimeParts all = parts_of(value);
      for (size_t i = 0; i < all.parts.size(); ++i) {
        json.raw(i ? R"(,")" : R"({")");
        json.raw(kPartNames[i]);
        json.raw("\":");
        write_number_or_null(json, all.parts[i]);
      }
      json.raw('}');
      return {};
    }
    case Kind::kBytes:
      json.raw(R"({"type":)");
      if (!json.string(column.type_name)) return kNoText;
      json.raw(R"(,"value":{"bytes":)");
      json.latin1(value.text());
      json.raw("}}");
      return {};
    case Kind::kJson: return print_object(json, column, value.text());
    case Kind::kEnum:
    case Kind::kSet: {
      std::string text;
      if (!label_of(value, column, text)) return "has an ENUM number without a label";
      return print_object(json, column, text);
    }
    case Kind::kGeometry: {
      std::string text;
      if (!append_ewkt(value.text(), text)) return kNoGeometry;
      return print_object(json, column, text);
    }
  }
  return "is of a kind this format does not know";
}

}  // namespace

Status write_avro_image(AvroWriter& avro, const EventBatch& batch, const ChangeEvent& event, Row row) {
  const std::vector<Column>& columns = event.table->columns;
  if (!row.empty()) avro.integer(static_cast<int64_t>(row.size()));
  for (size_t i = 0; i < row.size(); ++i) {
    std::string_view wrong = write_value(avro, columns[i], row[i]);
    if (!wrong.empty()) return unwritable(batch, event, i, std::string(wrong));
  }
  avro.integer(0);  // the end of an array
  return {};
}

Status print_avro_image(JsonWriter& json, const EventBatch& batch, const ChangeEvent& event, Row row) {
  const std::vector<Column>& columns = event.table->columns;
  json.raw('[');
  for (size_t i = 0; i < row.size(); ++i) {
    if (i) json.raw(',');
    std::string_view wrong = print_value(json, columns[i], row[i]);
    if (!wrong.empty()) return unwritable(batch, event, i, std::string(wrong));
  }
  json.raw(']');
  return {};
}

}  // namespace tailrace
