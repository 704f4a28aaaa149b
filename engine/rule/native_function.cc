#include "rule/native_function.h"

#include <fmt/format.h>

#include <cstring>
#include <vector>

#include "event/value_text.h"
#include "rule/digest.h"

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
      } else if (key == "with") {
        if (value.type != RuleNode::Type::kText || count_characters(value.text) != 1) {
          return Status(ErrorCode::kRuleLoad, fmt::format("{}: `with` is one character", node.text));
        }
        out.with = value.text;
      } else {
        auto secret = value.type == RuleNode::Type::kText ? secrets.find(value.text) : secrets.end();
        if (secret == secrets.end()) {
          return Status(ErrorCode::kRuleLoad,
                        fmt::format("{}: `{}` names an option declared as `secret` in `options`", node.text, key));
        }
        out.secret = secret->second;
      }
    }
    if (out.id == Id::kHmac && out.secret.empty()) {
      return Status(ErrorCode::kRuleLoad, "hash.hmac needs `key`, the name of a `secret` option");
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
  if (in.kind == Kind::kJson || in.kind == Kind::kBytes || in.kind == Kind::kGeometry) {
    return Status(ErrorCode::kRuleLoad, fmt::format("{} needs text or a number, column `{}` is {}", function.name,
                                                    in.name, in.type_text));
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

void native_text(const NativeFunction& function, std::string_view in, std::string& out) {
  switch (function.id) {
    case Id::kEmail: mask_email(in, out); return;
    case Id::kPhone:
    case Id::kCard: keep_last_digits(in, out); return;
    case Id::kKeep: keep_ends(in, function.first, function.last, function.with, out); return;
    case Id::kFull: keep_ends(in, 0, 0, "*", out); return;
    case Id::kNull: return;
    case Id::kSha256: out += sha256_hex(function.secret.empty() ? in : function.secret + std::string(in)); return;
    case Id::kHmac: out += hmac_sha256_hex(function.secret, in); return;
  }
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

Value apply_native(const NativeFunction& function, const Value& value, const Column& in, Arena& arena,
                   std::string& scratch) {
  if (value.is_null() || value.is_absent()) return value;
  if (function.id == Id::kNull) return Value::null();
  if ((function.id == Id::kKeep || function.id == Id::kFull) && function.with.size() == 1 && has_text_payload(value.kind) &&
      is_ascii(value.text())) {
    return keep_ends_of_ascii(function, value, arena);
  }
  scratch.clear();
  if (has_text_payload(value.kind)) {
    native_text(function, value.text(), scratch);
  } else {
    std::string text = to_text(value, in);
    native_text(function, text, scratch);
  }
  return Value::of_text(Kind::kText, arena.copy(scratch), static_cast<uint32_t>(scratch.size()));
}

}  // namespace tailrace
