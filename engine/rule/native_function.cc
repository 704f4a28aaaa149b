#include "rule/native_function.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <vector>

#include "event/time_parse.h"
#include "event/value_text.h"
#include "rule/digest.h"
#include "rule/library_call.h"

namespace tailrace {
namespace {

using Id = NativeFunction::Id;

struct NativeName {
  std::string_view name;
  Id id;
  std::string_view arguments;  // names allowed, space separated
};
constexpr NativeName kNames[] = {
    {"mask.email", Id::kEmail, ""},       {"mask.phone", Id::kPhone, ""},
    {"mask.card", Id::kCard, ""},         {"mask.keep", Id::kKeep, "first last with"},
    {"mask.full", Id::kFull, ""},         {"mask.null", Id::kNull, ""},
    {"hash.sha256", Id::kSha256, "salt"}, {"hash.hmac", Id::kHmac, "key"},
    {"hash.bucket", Id::kBucket, "n"},    {"time.epoch_us", Id::kEpochUs, ""},
    {"time.epoch_ms", Id::kEpochMs, ""},  {"time.epoch_s", Id::kEpochS, ""},
    {"time.trunc", Id::kTrunc, "unit"},   {"json.get", Id::kJsonGet, "path"},
};

size_t character_bytes(std::string_view text, size_t at) {
  auto byte = static_cast<unsigned char>(text[at]);
  size_t n = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
  return at + n > text.size() ? 1 : n;
}

size_t count_characters(std::string_view text) {
  size_t n = 0;
  for (size_t at = 0; at < text.size(); at += character_bytes(text, at)) ++n;
  return n;
}

bool is_ascii(std::string_view text) {
  unsigned char all = 0;
  for (char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

void keep_ends(std::string_view in, size_t first, size_t last, std::string_view with, std::string& out) {
  if (with.size() == 1 && is_ascii(in)) {
    if (in.size() <= first + last) first = last = 0;
    out.append(in.substr(0, first)).append(in.size() - first - last, with[0]).append(in.substr(in.size() - last));
    return;
  }
  size_t total = count_characters(in);
  bool shows = total > first + last;  // a text that would stay whole is hidden whole
  size_t index = 0;
  for (size_t at = 0; at < in.size(); ++index) {
    size_t n = character_bytes(in, at);
    if (shows && (index < first || index >= total - last)) {
      out.append(in.substr(at, n));
    } else {
      out.append(with);
    }
    at += n;
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Hides all digits but the last four, and all that is no separator.
void keep_last_digits(std::string_view in, std::string& out) {
  size_t digits = 0;
  for (char c : in) digits += is_digit(c);
  size_t shown_from = digits > 7 ? digits - 4 : digits;  // a short number is hidden whole
  size_t seen = 0;
  for (size_t at = 0; at < in.size();) {
    size_t n = character_bytes(in, at);
    char c = in[at];
    if (is_digit(c)) {
      out.push_back(seen++ >= shown_from ? c : '*');
    } else if (c == ' ' || c == '-' || c == '+' || c == '(' || c == ')' || c == '.' || c == '/') {
      out.push_back(c);
    } else {
      out.push_back('*');
    }
    at += n;
  }
}

void mask_email(std::string_view in, std::string& out) {
  size_t at = in.rfind('@');
  if (at == std::string_view::npos) {
    keep_ends(in, 0, 0, "*", out);  // no address: nothing of it is shown
    return;
  }
  if (at > 0) out.append(in.substr(0, character_bytes(in, 0)));
  out.append("***").append(in.substr(at));
}

// The width of a number's canonical text, as a VARCHAR that holds it.
uint32_t text_width(const Column& in) {
  switch (in.kind) {
    case Kind::kDecimal: return in.length + 3;
    case Kind::kDouble: return 32;
    case Kind::kDateTime:
    case Kind::kTimestamp: return 26;
    default: return 24;
  }
}

void set_varchar(Column& out, uint32_t length) {
  out.kind = Kind::kText;
  out.type_name = "varchar";
  out.length = length;
  out.type_text = fmt::format("varchar({})", length);
  out.is_unsigned = false;
  out.scale = 0;
  out.labels.clear();
  if (out.charset == 0 || out.charset == 63) out.charset = 45;  // utf8mb4_general_ci
}

void set_integer(Column& out, std::string_view type, bool is_unsigned) {
  out.kind = is_unsigned ? Kind::kUint : Kind::kInt;
  out.type_name = type;
  out.type_text = is_unsigned ? out.type_name + " unsigned" : out.type_name;
  out.is_unsigned = is_unsigned;
  out.length = 0;
  out.scale = 0;
  out.charset = 0;
  out.labels.clear();
}

}  // namespace

Result<NativeFunction> make_native(const RuleNode& node, const std::map<std::string, std::string>& secrets) {
  for (const NativeName& known : kNames) {
    if (known.name != node.text) continue;
    NativeFunction out;
    out.id = known.id;
    out.name = node.text;
    for (const auto& [key, value] : node.fields) {
      if ((" " + std::string(known.arguments) + " ").find(" " + key + " ") == std::string::npos) {
        return Status(ErrorCode::kRuleLoad, fmt::format("{} has no argument `{}`", node.text, key));
      }
      if (key == "first" || key == "last") {
        if (value.type != RuleNode::Type::kNumber || value.number < 0 || value.number > 1e6 ||
            value.number != static_cast<double>(static_cast<uint32_t>(value.number))) {
          return Status(ErrorCode::kRuleLoad, fmt::format("{}: `{}` is a number of characters", node.text, key));
        }
        (key == "first" ? out.first : out.last) = static_cast<uint32_t>(value.number);
      } else if (key == "n") {
        if (value.type != RuleNode::Type::kNumber || !(value.number >= 1 && value.number <= 4294967295.0) ||
            value.number != static_cast<double>(static_cast<uint32_t>(value.number))) {
          return Status(ErrorCode::kRuleLoad, fmt::format("{}: `n` is a number of buckets", node.text));
        }
        out.buckets = static_cast<uint32_t>(value.number);
      } else if (key == "unit") {
        out.unit = value.text;
      } else if (key == "path") {
        auto path = parse_json_path(value.text);
        if (!path.ok()) return Status(ErrorCode::kRuleLoad, fmt::format("{}: {}", node.text, path.status().detail()));
        out.path = std::make_shared<const JsonPath>(std::move(path).value());
      } else if (key == "with") {
        if (value.type != RuleNode::Type::kText || count_characters(value.text) != 1) {
          return Status(ErrorCode::kRuleLoad, fmt::format("{}: `with` is one character", node.text));
        }
        out.with = value.text;
      } else {
        auto secret = value.type == RuleNode::Type::kText ? secrets.find(value.text) : secrets.end();
        if (secret == secrets.end()) {
          return Status(ErrorCode::kRuleLoad, fmt::format("{}: `{}` names an option declared as `secret` in `options`", node.text, key));
        }
        out.secret = secret->second;
      }
    }
    if (out.id == Id::kHmac && out.secret.empty()) {
      return Status(ErrorCode::kRuleLoad, "hash.hmac needs `key`, the name of a `secret` option");
    }
    if (out.id == Id::kBucket && out.buckets == 0) return Status(ErrorCode::kRuleLoad, "hash.bucket needs `n`, the number of buckets");
    if (out.id == Id::kJsonGet && !out.path) return Status(ErrorCode::kRuleLoad, "json.get needs `path`, like \"$.a\"");
    std::string unused;
    if (out.id == Id::kTrunc && call_library(LibraryFunction::kTrunc, "2000-01-01", out.unit, {}, unused) != LibraryResult::kText) {
      return Status(ErrorCode::kRuleLoad, "time.trunc: `unit`: " + unused);
    }
    return out;
  }
  return Status(ErrorCode::kRuleLoad, fmt::format("`{}` is no native function", node.text));
}

Result<Column> native_result(const NativeFunction& function, const Column& in) {
  Column out = in;
  if (function.id == Id::kNull) {
    out.nullable = true;
    return out;
  }
  if (function.id == Id::kSha256 || function.id == Id::kHmac) {
    set_varchar(out, 64);
    out.type_name = "char";
    out.type_text = "char(64)";
    return out;
  }
  if (function.id == Id::kBucket) {
    set_integer(out, "int", true);
    return out;
  }
  bool is_moment = in.kind == Kind::kDate || in.kind == Kind::kDateTime || in.kind == Kind::kTimestamp;
  bool is_epoch = function.id == Id::kEpochUs || function.id == Id::kEpochMs || function.id == Id::kEpochS;
  if (is_epoch || function.id == Id::kTrunc) {
    if (!is_moment) {
      return Status(ErrorCode::kRuleLoad,
                    fmt::format("{} needs a date or a point in time, column `{}` is {}", function.name, in.name, in.type_text));
    }
    if (is_epoch) set_integer(out, "bigint", false);
    out.nullable = true;  // zero and partial dates are no point in time
    return out;
  }
  if (function.id == Id::kJsonGet) {
    if (in.kind != Kind::kJson && in.kind != Kind::kText) {
      return Status(ErrorCode::kRuleLoad, fmt::format("json.get needs JSON, column `{}` is {}", in.name, in.type_text));
    }
    out.kind = Kind::kText;
    out.type_name = out.type_text = "longtext";
    out.length = 0;
    out.nullable = true;
    if (out.charset == 0 || out.charset == 63) out.charset = 45;
    return out;
  }
  if (in.kind == Kind::kJson || in.kind == Kind::kBytes || in.kind == Kind::kGeometry) {
    return Status(ErrorCode::kRuleLoad, fmt::format("{} needs text or a number, column `{}` is {}", function.name, in.name, in.type_text));
  }
  if (in.kind != Kind::kText) {
    uint32_t width = text_width(in);
    for (const std::string& label : in.labels) width += static_cast<uint32_t>(count_characters(label)) + 1;
    set_varchar(out, width);
  }
  // "j@x.io" grows to "j***@x.io".
  bool sized = out.length > 0 && (out.type_name == "varchar" || out.type_name == "char");
  if (function.id == Id::kEmail && sized) set_varchar(out, out.length + 3);
  return out;
}

bool native_text(const NativeFunction& function, std::string_view in, std::string& out) {
  int64_t micros = 0;
  std::string_view value;
  switch (function.id) {
    case Id::kEmail: mask_email(in, out); return true;
    case Id::kPhone:
    case Id::kCard: keep_last_digits(in, out); return true;
    case Id::kKeep: keep_ends(in, function.first, function.last, function.with, out); return true;
    case Id::kFull: keep_ends(in, 0, 0, "*", out); return true;
    case Id::kNull: return false;
    case Id::kSha256: out += sha256_hex(function.secret.empty() ? in : function.secret + std::string(in)); return true;
    case Id::kHmac: out += hmac_sha256_hex(function.secret, in); return true;
    case Id::kBucket: out += std::to_string(hash_uint(function.buckets, in)); return true;
    case Id::kEpochUs:
    case Id::kEpochMs:
    case Id::kEpochS: {
      if (!epoch_us_of(in, micros)) return false;
      int64_t unit = function.id == Id::kEpochUs ? 1 : function.id == Id::kEpochMs ? 1000 : 1000000;
      out += std::to_string(micros >= 0 ? micros / unit : (micros - unit + 1) / unit);
      return true;
    }
    case Id::kTrunc: {
      std::string truncated;
      if (call_library(LibraryFunction::kTrunc, in, function.unit, {}, truncated) != LibraryResult::kText) return false;
      out += truncated;
      return true;
    }
    case Id::kJsonGet:
      if (find_json(in, *function.path, value) != JsonFound::kYes || value == "null") return false;
      return append_unquoted(value, out);
  }
  return false;
}

// mask.keep and mask.full of the commonest text, written where it stays.
static Value keep_ends_of_ascii(const NativeFunction& function, const Value& value, Arena& arena) {
  size_t size = value.size, first = function.first, last = function.last;
  if (size <= first + last) first = last = 0;
  char* to = static_cast<char*>(arena.allocate(size, 1));
  if (size <= 16) {  // calls would cost more than the bytes
    for (size_t i = 0; i < size; ++i) to[i] = i < first || i >= size - last ? value.p[i] : function.with[0];
    return Value::of_text(Kind::kText, to, value.size);
  }
  std::memset(to, function.with[0], size);
  std::memcpy(to, value.p, first);
  std::memcpy(to + size - last, value.p + size - last, last);
  return Value::of_text(Kind::kText, to, value.size);
}

Value apply_native(const NativeFunction& function, const Value& value, const Column& in, Arena& arena, std::string& scratch) {
  if (value.is_null() || value.is_absent()) return value;
  if (function.id == Id::kNull) return Value::null();
  if ((function.id == Id::kKeep || function.id == Id::kFull) && function.with.size() == 1 && has_text_payload(value.kind) &&
      is_ascii(value.text())) {
    return keep_ends_of_ascii(function, value, arena);
  }
  scratch.clear();
  bool has_result = false;
  if (has_text_payload(value.kind)) {
    has_result = native_text(function, value.text(), scratch);
  } else {
    std::string text = to_text(value, in);
    has_result = native_text(function, text, scratch);
  }
  if (!has_result) return Value::null();
  int64_t number = 0;
  switch (function.id) {
    case Id::kBucket:
    case Id::kEpochUs:
    case Id::kEpochMs:
    case Id::kEpochS:
      std::from_chars(scratch.data(), scratch.data() + scratch.size(), number);
      return function.id == Id::kBucket ? Value::of_uint(static_cast<uint64_t>(number)) : Value::of_int(number);
    case Id::kTrunc: {
      Value out = value;
      uint64_t bits = 0;
      if (value.kind == Kind::kDate && parse_date_text(scratch, bits)) out.u = bits;
      if (value.kind == Kind::kDateTime && parse_datetime_text(scratch, value.scale, bits)) out.u = bits;
      if (value.kind == Kind::kTimestamp && !parse_timestamp_text(scratch, value.scale, out.i)) return Value::null();
      return out;
    }
    default: break;
  }
  return Value::of_text(Kind::kText, arena.copy(scratch), static_cast<uint32_t>(scratch.size()));
}

}  // namespace tailrace
