#include "format/json_writer.h"

#include <charconv>
#include <cmath>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "event/value_text.h"

namespace tailrace {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

// A byte that cannot be copied as it is: control, quote, backslash, or part of a multi-byte character.
constexpr bool is_special(unsigned char c) noexcept { return c < 0x20 || c == '"' || c == '\\' || c >= 0x80; }

// Nonzero when one of the eight bytes is special (exact as a whole, not per byte).
constexpr uint64_t special_in_word(uint64_t word) noexcept {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHigh = 0x8080808080808080u;
  auto has_zero = [](uint64_t x) { return (x - kOnes) & ~x & kHigh; };
  uint64_t control = (word - kOnes * 0x20) & ~word & kHigh;
  return (word & kHigh) | control | has_zero(word ^ kOnes * '"') | has_zero(word ^ kOnes * '\\');
}

// Copies the leading plain bytes and returns how many. Writes up to 15 bytes beyond them.
size_t copy_plain(char* to, const char* from, size_t size) noexcept {
  size_t done = 0;
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i space = _mm_set1_epi8(0x20);
  for (; size - done >= 16; done += 16) {
    __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + done));
    // The signed comparison catches both controls and bytes from 0x80.
    __m128i bad = _mm_or_si128(_mm_cmplt_epi8(block, space), _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + done), block);
    int mask = _mm_movemask_epi8(bad);
    if (mask != 0) return done + static_cast<size_t>(__builtin_ctz(static_cast<unsigned>(mask)));
  }
#endif
  for (; size - done >= 8; done += 8) {
    uint64_t word;
    std::memcpy(&word, from + done, 8);
    if (special_in_word(word)) break;
    std::memcpy(to + done, &word, 8);
  }
  for (; done < size && !is_special(static_cast<unsigned char>(from[done])); ++done) to[done] = from[done];
  return done;
}

char* put_escape(char* to, unsigned char c) noexcept {
  *to++ = '\\';
  switch (c) {
    case '"': *to++ = '"'; return to;
    case '\\': *to++ = '\\'; return to;
    case '\n': *to++ = 'n'; return to;
    case '\r': *to++ = 'r'; return to;
    case '\t': *to++ = 't'; return to;
    case '\b': *to++ = 'b'; return to;
    case '\f': *to++ = 'f'; return to;
    default: break;
  }
  *to++ = 'u';
  *to++ = '0';
  *to++ = '0';
  *to++ = kHexDigits[c >> 4];
  *to++ = kHexDigits[c & 15];
  return to;
}

}  // namespace

size_t utf8_sequence(const unsigned char* at, const unsigned char* end) noexcept {
  auto continues = [&](size_t i) { return (at[i] & 0xC0) == 0x80; };
  size_t room = static_cast<size_t>(end - at);
  unsigned char c = at[0];
  if (c < 0x80) return 1;
  if (c < 0xC2) return 0;
  if (c < 0xE0) return room >= 2 && continues(1) ? 2 : 0;
  if (c < 0xF0) {
    if (room < 3 || !continues(1) || !continues(2)) return 0;
    if (c == 0xE0 && at[1] < 0xA0) return 0;  // overlong
    if (c == 0xED && at[1] > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (c > 0xF4 || room < 4 || !continues(1) || !continues(2) || !continues(3)) return 0;
  if (c == 0xF0 && at[1] < 0x90) return 0;
  if (c == 0xF4 && at[1] > 0x8F) return 0;
  return 4;
}

void JsonWriter::number(int64_t value) {
  char* to = reserve(24);
  at_ = std::to_chars(to, to + 24, value).ptr;
}
void JsonWriter::number(uint64_t value) {
  char* to = reserve(24);
  at_ = std::to_chars(to, to + 24, value).ptr;
}
bool JsonWriter::number(double value, bool is_float32) {
  if (!std::isfinite(value)) return false;
  char* to = reserve(48);
  // Plain digits in the range people read, an exponent outside it.
  double magnitude = std::fabs(value);
  bool plain = magnitude == 0 || (magnitude >= 1e-5 && magnitude < 1e16);
  auto form = plain ? std::chars_format::fixed : std::chars_format::scientific;
  at_ = std::to_chars(to, to + 48, is_float32 ? float_as_printed(static_cast<float>(value)) : value, form).ptr;
  return true;
}

bool JsonWriter::string(std::string_view text) {
  raw('"');
  if (!string_body(text)) return false;
  raw('"');
  return true;
}

bool JsonWriter::string_body(std::string_view text) {
  const char* from = text.data();
  const char* end = from + text.size();
  char* to = reserve(text.size() + 32);
  while (from != end) {
    size_t plain = copy_plain(to, from, static_cast<size_t>(end - from));
    from += plain;
    to += plain;
    while (from != end && is_special(static_cast<unsigned char>(*from))) {
      auto c = static_cast<unsigned char>(*from);
      if (c >= 0x80) {
        size_t n = utf8_sequence(reinterpret_cast<const unsigned char*>(from), reinterpret_cast<const unsigned char*>(end));
        if (n == 0) return false;
        for (size_t i = 0; i < n; ++i) *to++ = *from++;
        continue;
      }
      at_ = to;
      to = reserve(static_cast<size_t>(end - from) + 32);  // an escape is up to six bytes for one
      to = put_escape(to, c);
      ++from;
    }
  }
  at_ = to;
  return true;
}

char* put_base64(char* to, std::string_view bytes) noexcept {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t n = bytes.size();
  for (; n >= 3; n -= 3, from += 3) {
    unsigned v = static_cast<unsigned>(from[0]) << 16 | static_cast<unsigned>(from[1]) << 8 | from[2];
    *to++ = kAlphabet[v >> 18];
    *to++ = kAlphabet[v >> 12 & 63];
    *to++ = kAlphabet[v >> 6 & 63];
    *to++ = kAlphabet[v & 63];
  }
  if (n == 0) return to;
  unsigned v = static_cast<unsigned>(from[0]) << 16 | (n == 2 ? static_cast<unsigned>(from[1]) << 8 : 0u);
  *to++ = kAlphabet[v >> 18];
  *to++ = kAlphabet[v >> 12 & 63];
  *to++ = n == 2 ? kAlphabet[v >> 6 & 63] : '=';
  *to++ = '=';
  return to;
}

void JsonWriter::base64(std::string_view bytes) {
  char* to = reserve(base64_size(bytes.size()) + 2);
  *to++ = '"';
  to = put_base64(to, bytes);
  *to++ = '"';
  at_ = to;
}

void JsonWriter::hex(std::string_view bytes) {
  char* to = reserve(bytes.size() * 2 + 2);
  *to++ = '"';
  for (char byte : bytes) {
    auto c = static_cast<unsigned char>(byte);
    *to++ = kHexDigits[c >> 4];
    *to++ = kHexDigits[c & 15];
  }
  *to++ = '"';
  at_ = to;
}

void JsonWriter::latin1(std::string_view bytes) {
  char* to = reserve(bytes.size() * 6 + 2);
  *to++ = '"';
  for (char byte : bytes) {
    auto c = static_cast<unsigned char>(byte);
    if (c >= 0x80) {
      *to++ = static_cast<char>(0xC0 | c >> 6);
      *to++ = static_cast<char>(0x80 | (c & 0x3F));
    } else if (is_special(c)) {
      to = put_escape(to, c);
    } else {
      *to++ = byte;
    }
  }
  *to++ = '"';
  at_ = to;
}

std::string json_quoted(std::string_view text) {
  std::string out;
  JsonWriter writer(out);
  if (!writer.string(text)) {
    std::string repaired;
    const auto* at = reinterpret_cast<const unsigned char*>(text.data());
    const auto* end = at + text.size();
    while (at != end) {
      size_t n = utf8_sequence(at, end);
      if (n == 0) {
        repaired += "\xEF\xBF\xBD";
        ++at;
      } else {
        repaired.append(reinterpret_cast<const char*>(at), n);
        at += n;
      }
    }
    return json_quoted(repaired);
  }
  writer.finish();
  return out;
}

}  // namespace tailrace
