#include "event/pattern.h"

#include <cstdint>

namespace tailrace {
namespace {

// Takes one character off the front; a broken sequence counts byte by byte.
uint32_t take(std::string_view& text) {
  auto byte = static_cast<unsigned char>(text.front());
  size_t length = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
  if (length > text.size()) length = 1;
  uint32_t code = 0;
  for (size_t i = 0; i < length; ++i) code = code << 8 | static_cast<unsigned char>(text[i]);
  text.remove_prefix(length);
  return code;
}

// `pattern` begins behind '['. On success it is moved behind the closing ']'.
bool match_class(std::string_view& pattern, uint32_t c, bool& well_formed) {
  std::string_view p = pattern;
  bool negated = !p.empty() && (p.front() == '!' || p.front() == '^');
  if (negated) p.remove_prefix(1);
  bool found = false;
  bool first = true;
  while (!p.empty() && (first || p.front() != ']')) {
    first = false;
    uint32_t low = take(p);
    uint32_t high = low;
    if (p.size() >= 2 && p[0] == '-' && p[1] != ']') {
      p.remove_prefix(1);
      high = take(p);
    }
    if (c >= low && c <= high) found = true;
  }
  well_formed = !p.empty();
  if (!well_formed) return false;
  p.remove_prefix(1);
  pattern = p;
  return found != negated;
}

// Matches one pattern element that is not '*', moving both views.
bool match_one(std::string_view& pattern, std::string_view& text) {
  char head = pattern.front();
  if (head == '?') {
    pattern.remove_prefix(1);
    take(text);
    return true;
  }
  if (head == '[') {
    std::string_view rest = pattern.substr(1);
    std::string_view after = text;
    uint32_t c = take(after);
    bool well_formed = false;
    bool hit = match_class(rest, c, well_formed);
    if (well_formed) {
      if (!hit) return false;
      pattern = rest;
      text = after;
      return true;
    }
  }
  if (head != text.front()) return false;
  pattern.remove_prefix(1);
  text.remove_prefix(1);
  return true;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  // On a mismatch the last '*' takes one more character; earlier stars never need to be tried again.
  bool starred = false;
  std::string_view star_pattern;
  std::string_view star_text;
  while (!text.empty()) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      starred = true;
      star_pattern = pattern;
      star_text = text;
      continue;
    }
    if (!pattern.empty() && match_one(pattern, text)) continue;
    if (!starred) return false;
    take(star_text);
    pattern = star_pattern;
    text = star_text;
  }
  while (!pattern.empty() && pattern.front() == '*') pattern.remove_prefix(1);
  return pattern.empty();
}

bool is_glob(std::string_view pattern) noexcept { return pattern.find_first_of("*?[") != std::string_view::npos; }

}  // namespace tailrace
