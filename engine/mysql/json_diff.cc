#include "mysql/json_diff.h"

#include <fmt/format.h>

#include <charconv>

#include "base/byte_cursor.h"
#include "mysql/charset.h"

namespace tailrace {
namespace {

constexpr size_t kMaxLegs = kJsonMaxDepth;

void append_code_point(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | c >> 6));
    out.push_back(static_cast<char>(0x80 | (c & 63)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | c >> 12));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
    out.push_back(static_cast<char>(0x80 | (c & 63)));
  } else {
    out.push_back(static_cast<char>(0xF0 | c >> 18));
    out.push_back(static_cast<char>(0x80 | (c >> 12 & 63)));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
    out.push_back(static_cast<char>(0x80 | (c & 63)));
  }
}

class PathReader {
 public:
  PathReader(std::string_view text, JsonPath& legs, std::deque<std::string>& unescaped) : text_(text), legs_(legs), unescaped_(unescaped) {}

  bool read() {
    legs_.clear();
    if (!accept('$')) return false;
    while (at_ < text_.size()) {
      if (legs_.size() == kMaxLegs) return false;
      JsonLeg& leg = legs_.emplace_back();
      if (accept('.')) {
        leg.is_member = true;
        if (accept('"') ? !quoted(leg.name) : !plain(leg.name)) return false;
      } else if (!accept('[') || !cell(leg) || !accept(']')) {
        return false;
      }
    }
    return true;
  }

 private:
  bool accept(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool number(uint64_t& n) {
    const char* begin = text_.data() + at_;
    auto parsed = std::from_chars(begin, text_.data() + text_.size(), n);
    at_ += static_cast<size_t>(parsed.ptr - begin);
    return parsed.ec == std::errc() && parsed.ptr != begin && n <= UINT32_MAX;
  }
  bool cell(JsonLeg& leg) {
    constexpr std::string_view kLast = "last";
    if (text_.substr(at_, kLast.size()) != kLast) return number(leg.index);
    at_ += kLast.size();
    leg.from_end = true;
    return !accept('-') || number(leg.index);
  }
  bool plain(std::string_view& name) {
    size_t end = text_.find_first_of(".[]*\" \t\r\n", at_);
    if (end == std::string_view::npos) end = text_.size();
    name = text_.substr(at_, end - at_);
    at_ = end;
    return !name.empty();
  }
  bool quoted(std::string_view& name) {
    size_t end = text_.find_first_of("\"\\", at_);
    if (end == std::string_view::npos) return false;
    if (text_[end] == '"') {
      name = text_.substr(at_, end - at_);
      at_ = end + 1;
      return true;
    }
    std::string& out = unescaped_.emplace_back();
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') {
        name = out;
        return true;
      }
      if (c != '\\') {
        out.push_back(c);
      } else if (!escape(out)) {
        return false;
      }
    }
    return false;
  }
  bool escape(std::string& out) {
    if (at_ == text_.size()) return false;
    char c = text_[at_++];
    switch (c) {
      case '"':
      case '\\':
      case '/': out.push_back(c); return true;
      case 'b': out.push_back('\b'); return true;
      case 'f': out.push_back('\f'); return true;
      case 'n': out.push_back('\n'); return true;
      case 'r': out.push_back('\r'); return true;
      case 't': out.push_back('\t'); return true;
      case 'u': break;
      default: return false;
    }
    uint32_t unit = 0;
    if (!hex4(unit)) return false;
    if (unit >= 0xD800 && unit < 0xDC00) {
      uint32_t low = 0;
      if (!accept('\\') || !accept('u') || !hex4(low) || low < 0xDC00 || low > 0xDFFF) return false;
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    } else if (unit >= 0xDC00 && unit < 0xE000) {
      return false;
    }
    append_code_point(unit, out);
    return true;
  }
  bool hex4(uint32_t& unit) {
    if (text_.size() - at_ < 4) return false;
    const char* begin = text_.data() + at_;
    auto parsed = std::from_chars(begin, begin + 4, unit, 16);
    at_ += 4;
    return parsed.ptr == begin + 4;
  }

  std::string_view text_;
  size_t at_ = 0;
  JsonPath& legs_;
  std::deque<std::string>& unescaped_;
};

std::string shown(std::string_view path) {
  constexpr size_t kShown = 80;
  if (!is_utf8(path)) return "a path that is not text";
  if (path.size() <= kShown) return std::string(path);
  size_t end = kShown;
  while (end && (static_cast<uint8_t>(path[end]) & 0xC0) == 0x80) --end;
  return std::string(path.substr(0, end)) + "…";
}

Status malformed(std::string detail) { return Status(ErrorCode::kSourceCorrupt, std::move(detail)); }

}  // namespace

bool parse_json_path(std::string_view text, JsonPath& legs, std::deque<std::string>& unescaped) {
  return PathReader(text, legs, unescaped).read();
}

Status append_json_changed(std::string_view document, std::string_view diffs, std::string& out) {
  enum Operation : uint8_t { kReplace = 0, kInsert = 1, kRemove = 2 };
  static constexpr std::string_view kNames[] = {"replace", "insert", "remove"};
  JsonTree tree(document, document.size() + diffs.size());
  JsonPath path;
  std::deque<std::string> unescaped;
  ByteCursor in(diffs);
  while (!in.empty()) {
    unescaped.clear();
    uint8_t operation = in.u8();
    std::string_view text = in.bytes(in.lenenc());
    std::string_view value;
    if (operation != kRemove) value = in.bytes(in.lenenc());
    if (in.failed() || operation > kRemove) return malformed("a JSON diff that does not fit its length");
    if (!parse_json_path(text, path, unescaped)) {
      return malformed(fmt::format("a JSON diff without a usable path: {}", shown(text)));
    }
    bool applied = operation == kReplace  ? tree.replace(path, json_root(value))
                   : operation == kInsert ? tree.insert(path, json_root(value))
                                          : tree.remove(path);
    if (!applied) {
      return malformed(fmt::format("a JSON diff that does not apply to the document before it: {} at {}", kNames[operation], shown(text)));
    }
  }
  if (tree.print(out)) return Status();
  return malformed("a JSON value that is not a document in the server's binary form");
}

}  // namespace tailrace
