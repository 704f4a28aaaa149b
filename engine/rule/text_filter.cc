#include "rule/text_filter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <optional>

#include "event/value_text.h"
#include "format/json_writer.h"
#include "rule/digest.h"
#include "rule/node_reader.h"

namespace tailrace {
namespace {

using Id = TextFilter::Id;

// In the order of TextFilter::Id.
constexpr std::array<std::string_view, 14> kNames{"base64", "bucket", "csv",    "epoch_ms", "epoch_ns", "epoch_s", "epoch_us",
                                                  "hash",   "hex",    "influx", "json",     "lower",    "or",      "upper"};

bool is_epoch(Id id) { return id == Id::kEpochS || id == Id::kEpochMs || id == Id::kEpochUs || id == Id::kEpochNs; }

// Microseconds since 1970; DATE and DATETIME are taken as UTC.
FilterFault epoch_us(const Value& value, int64_t& us) {
  if (value.kind == Kind::kTimestamp) {
    us = value.i;
    return us == 0 ? FilterFault::kZeroTime : FilterFault::kNone;
  }
  if (value.kind != Kind::kDate && value.kind != Kind::kDateTime) return FilterFault::kNotTime;
  bool is_date = value.kind == Kind::kDate;
  DateParts date = is_date ? unpack_date(value.u) : datetime_date(value.u);
  if (!is_real_date(date)) return FilterFault::kZeroTime;
  TimeParts time = is_date ? TimeParts{0, 0, 0, 0} : datetime_time(value.u);
  us = ((days_from_civil(date) * 24 + time.hour) * 3600 + time.minute * 60 + time.second) * 1'000'000 + time.microsecond;
  return FilterFault::kNone;
}

FilterFault append_epoch(Id id, const Value& value, std::string& out) {
  int64_t us = 0;
  if (FilterFault fault = epoch_us(value, us); fault != FilterFault::kNone) return fault;
  // Rounded down, before 1970 too.
  auto units = [&](int64_t unit) { return us / unit - (us % unit < 0); };
  if (id == Id::kEpochS) fmt::format_to(std::back_inserter(out), "{}", units(1'000'000));
  if (id == Id::kEpochMs) fmt::format_to(std::back_inserter(out), "{}", units(1000));
  if (id == Id::kEpochUs) fmt::format_to(std::back_inserter(out), "{}", us);
  // Beyond the year 2262 nanoseconds exceed 64 bits, their digits do not.
  if (id == Id::kEpochNs) fmt::format_to(std::back_inserter(out), "{}{}", us, us ? "000" : "");
  return FilterFault::kNone;
}

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 14695981039346656037ull;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

// Replaces the text from `at` on by what the filter makes of it.
FilterFault filter_text(const TextFilter& filter, std::string& out, size_t at) {
  switch (filter.id) {
    case Id::kLower:
      for (size_t i = at; i < out.size(); ++i) {
        if (out[i] >= 'A' && out[i] <= 'Z') out[i] = static_cast<char>(out[i] + 32);
      }
      return FilterFault::kNone;
    case Id::kUpper:
      for (size_t i = at; i < out.size(); ++i) {
        if (out[i] >= 'a' && out[i] <= 'z') out[i] = static_cast<char>(out[i] - 32);
      }
      return FilterFault::kNone;
    case Id::kOr: return FilterFault::kNone;
    default: break;
  }
  std::string in = out.substr(at);
  out.resize(at);
  switch (filter.id) {
    case Id::kHash: out += sha256_hex(in); break;
    case Id::kBucket: out += std::to_string(fnv1a(in) % filter.buckets); break;
    case Id::kHex:
      for (char c : in) fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(c));
      break;
    case Id::kBase64: {
      out.resize(at + base64_size(in.size()));
      put_base64(out.data() + at, in);
      break;
    }
    case Id::kCsv:
      if (in.find_first_of(",\"\r\n") == std::string::npos) {
        out += in;
        break;
      }
      out += '"';
      for (char c : in) out.append(c == '"' ? 2 : 1, c);
      out += '"';
      break;
    case Id::kInflux:
      for (char c : in) {
        if (c == ',' || c == '=' || c == ' ') out += '\\';
        if (c == '\n') out += "\\n";
        else out += c;
      }
      break;
    case Id::kJson: {
      std::string token;
      JsonWriter json(token);
      if (!json.string(in)) return FilterFault::kNotJson;
      json.finish();
      out += token;
      break;
    }
    default: break;
  }
  return FilterFault::kNone;
}

}  // namespace

Result<TextFilter> parse_filter(std::string_view text) {
  size_t colon = text.find(':');
  std::string name(text.substr(0, colon));
  bool has_argument = colon != std::string_view::npos;
  std::string argument(has_argument ? text.substr(colon + 1) : std::string_view());
  std::optional<Id> id;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) id = static_cast<Id>(i);
  }
  if (!id) {
    return load_error(fmt::format("`{}` is no filter{}; known are {}", name,
                                  did_you_mean(name, std::vector<std::string>(kNames.begin(), kNames.end())), fmt::join(kNames, ", ")));
  }
  TextFilter out;
  out.id = *id;
  if (*id == Id::kBucket) {
    auto end = argument.data() + argument.size();
    auto parsed = std::from_chars(argument.data(), end, out.buckets);
    if (parsed.ec != std::errc() || parsed.ptr != end || out.buckets == 0) {
      return load_error("`bucket` needs a number of buckets: {id|bucket:16}");
    }
  } else if (*id == Id::kOr) {
    if (!has_argument) return load_error("`or` needs the text that stands for NULL: {country|or:none}");
    out.text = argument;
  } else if (has_argument) {
    return load_error(fmt::format("`{}` takes no argument", name));
  }
  return out;
}

FilterFault write_json(const Value& value, const Column& column, JsonWriter& json) {
  bool good = true;
  switch (value.kind) {
    case Kind::kAbsent:
    case Kind::kNull: json.raw("null"); break;
    case Kind::kInt: json.number(value.i); break;
    case Kind::kUint:
    case Kind::kYear:
    case Kind::kBit: json.number(value.u); break;
    case Kind::kDouble: good = json.number(value.d, (value.flags & kFloat32) != 0); break;
    case Kind::kDecimal:
    case Kind::kJson: json.raw(value.text()); break;
    case Kind::kBytes:
    case Kind::kGeometry: json.base64(value.text()); break;
    case Kind::kText: good = json.string(value.text()); break;
    default: good = json.string(to_text(value, column)); break;
  }
  return good ? FilterFault::kNone : FilterFault::kNotJson;
}

std::string_view describe_fault(FilterFault fault) noexcept {
  switch (fault) {
    case FilterFault::kNone: return "is fine";
    case FilterFault::kNull: return "is NULL; {x|or:text} gives NULL a text";
    case FilterFault::kAbsent: return "is not in the row image; log full images (binlog_row_image=FULL)";
    case FilterFault::kNotTime: return "is no DATE, DATETIME or TIMESTAMP, which epoch filters need";
    case FilterFault::kZeroTime: return "is a zero date, which has no epoch";
    case FilterFault::kNotJson: return "has no form in JSON";
  }
  return "?";
}

FilterFault append_filtered(std::span<const TextFilter> filters, const Value& value, const Column& column, std::string& out) {
  if (value.is_absent()) return FilterFault::kAbsent;
  size_t at = out.size();
  size_t next = 0;
  if (value.is_null()) {
    while (next < filters.size() && filters[next].id != Id::kOr && filters[next].id != Id::kJson) ++next;
    if (next == filters.size()) return FilterFault::kNull;
    out += filters[next].id == Id::kOr ? std::string_view(filters[next].text) : "null";
    ++next;
  } else {
    while (next < filters.size() && filters[next].id == Id::kOr) ++next;
    if (next < filters.size() && is_epoch(filters[next].id)) {
      if (FilterFault fault = append_epoch(filters[next++].id, value, out); fault != FilterFault::kNone) return fault;
    } else if (next < filters.size() && filters[next].id == Id::kJson) {
      ++next;
      std::string token;
      JsonWriter json(token);
      if (FilterFault fault = write_json(value, column, json); fault != FilterFault::kNone) return fault;
      json.finish();
      out += token;
    } else {
      append_text(value, column, out);
    }
  }
  for (; next < filters.size(); ++next) {
    if (is_epoch(filters[next].id)) return FilterFault::kNotTime;
    if (FilterFault fault = filter_text(filters[next], out, at); fault != FilterFault::kNone) return fault;
  }
  return FilterFault::kNone;
}

}  // namespace tailrace
