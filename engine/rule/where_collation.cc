#include "rule/where_collation.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

namespace tailrace {
namespace {

using Order = WhereCollation::Order;

constexpr WhereCollation kCollations[] = {{63, "binary", Order::kBytes, false},
                                          {65, "ascii_bin", Order::kBytes, true},
                                          {83, "utf8mb3_bin", Order::kBytes, true},
                                          {46, "utf8mb4_bin", Order::kBytes, true},
                                          {309, "utf8mb4_0900_bin", Order::kBytes, false},
                                          {11, "ascii_general_ci", Order::kAsciiCi, true},
                                          {33, "utf8mb3_general_ci", Order::kGeneralCi, true},
                                          {45, "utf8mb4_general_ci", Order::kGeneralCi, true},
                                          {255, "utf8mb4_0900_ai_ci", Order::kUca900, false}};

// Of those that are refused, the common ones by name.
constexpr std::pair<uint16_t, std::string_view> kOthers[] = {
    {8, "latin1_swedish_ci"},    {28, "gbk_chinese_ci"},      {47, "latin1_bin"},          {48, "latin1_general_ci"},
    {51, "cp1251_general_ci"},   {192, "utf8mb3_unicode_ci"}, {224, "utf8mb4_unicode_ci"}, {246, "utf8mb4_unicode_520_ci"},
    {248, "gb18030_chinese_ci"}, {278, "utf8mb4_0900_as_cs"}, {305, "utf8mb4_0900_as_ci"}, {2304, "utf8mb4_uca1400_ai_ci"}};

struct WeightRun {
  uint32_t first;
  uint16_t count;
  uint8_t step, weight_step;
  uint16_t weight;
};
constexpr WeightRun kGeneralRuns[] = {
#include "rule/where_general_ci.inc"
};
#include "rule/where_uca900.inc"

// Weights of utf8mb4_general_ci: one per character of the first plane, one for all others.
class GeneralTable {
 public:
  GeneralTable() {
    for (const WeightRun& run : kGeneralRuns) {
      for (uint32_t i = 0; i < run.count; ++i) {
        uint32_t c = run.first + i * run.step;
        auto& page = pages_[c >> 8];
        if (!page) {
          page = std::make_unique<Page>();
          for (uint32_t k = 0; k < 256; ++k) (*page)[k] = static_cast<uint16_t>((c & 0xFF00) | k);
        }
        (*page)[c & 0xFF] = static_cast<uint16_t>(run.weight + i * run.weight_step);
      }
    }
  }
  uint32_t weight(uint32_t c) const noexcept {
    if (c > 0xFFFF) return 0xFFFD;
    const auto& page = pages_[c >> 8];
    return page ? (*page)[c & 0xFF] : c;
  }

 private:
  using Page = std::array<uint16_t, 256>;
  std::array<std::unique_ptr<Page>, 256> pages_;
};

// Primary weights of utf8mb4_0900_ai_ci: a character has none, one or several.
class UcaTable {
 public:
  UcaTable() {
    for (const WeightRun& run : kUcaSingle) fill(run, 0);
    for (const WeightRun& run : kUcaSeveral) fill(run, kSeveral);
  }
  // Gives up to 8 weights; `is_implicit`: computed, and only equal to itself.
  size_t weights(uint32_t c, uint16_t* out, bool& is_implicit) const noexcept {
    is_implicit = false;
    const auto& page = pages_[c >> 8];
    uint32_t entry = page ? (*page)[c & 0xFF] : kImplicit;
    if (entry == 0) return 0;
    if (entry < kSeveral) {
      out[0] = static_cast<uint16_t>(entry);
      return 1;
    }
    if (entry < kImplicit) {
      const uint16_t* pool = kUcaPool + (entry - kSeveral);
      std::copy(pool + 1, pool + 1 + pool[0], out);
      return pool[0];
    }
    is_implicit = true;
    if (c >= 0xAC00 && c <= 0xD7A3) {  // a Hangul syllable is its letters
      uint32_t s = c - 0xAC00;
      bool inner = false;
      size_t n = weights(0x1100 + s / 588, out, inner);
      n += weights(0x1161 + s % 588 / 28, out + n, inner);
      if (s % 28) n += weights(0x11A7 + s % 28, out + n, inner);
      is_implicit = true;
      return n;
    }
    if (c >= 0x17000 && c <= 0x18AFF) {
      out[0] = 0xFB00;
      out[1] = static_cast<uint16_t>((c - 0x17000) | 0x8000);
      return 2;
    }
    out[0] = static_cast<uint16_t>(base_of(c) + (c >> 15));
    out[1] = static_cast<uint16_t>((c & 0x7FFF) | 0x8000);
    return 2;
  }

 private:
  static constexpr uint32_t kSeveral = 0x10000, kImplicit = 0x20000;
  using Page = std::array<uint32_t, 256>;

  void fill(const WeightRun& run, uint32_t offset) {
    for (uint32_t i = 0; i < run.count; ++i) {
      uint32_t c = run.first + i * run.step;
      auto& page = pages_[c >> 8];
      if (!page) {
        page = std::make_unique<Page>();
        page->fill(kImplicit);
      }
      (*page)[c & 0xFF] = offset + run.weight + i * run.weight_step;
    }
  }
  static uint32_t base_of(uint32_t c) noexcept {
    auto within = [c](uint32_t from, uint32_t to) { return c >= from && c <= to; };
    constexpr uint32_t kUnified[] = {0xFA0E, 0xFA0F, 0xFA11, 0xFA13, 0xFA14, 0xFA1F, 0xFA21, 0xFA23, 0xFA24, 0xFA27, 0xFA28, 0xFA29};
    if (within(0x4E00, 0x9FD5) || std::find(std::begin(kUnified), std::end(kUnified), c) != std::end(kUnified)) return 0xFB40;
    bool extended = within(0x3400, 0x4DB5) || within(0x20000, 0x2A6D6) || within(0x2A700, 0x2B734) || within(0x2B740, 0x2B81D) ||
                    within(0x2B820, 0x2CEA1);
    return extended ? 0xFB80 : 0xFBC0;
  }
  std::array<std::unique_ptr<Page>, 0x1100> pages_;
};

const GeneralTable& general_table() {
  static const GeneralTable table;
  return table;
}
const UcaTable& uca_table() {
  static const UcaTable table;
  return table;
}

int sign_of(int n) { return n < 0 ? -1 : n > 0 ? 1 : 0; }

uint32_t ascii_upper(uint32_t c) noexcept { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; }

// Bytes of UTF-8 are in the order of the characters.
int compare_bytes(std::string_view a, std::string_view b, bool pads) noexcept {
  size_t common = std::min(a.size(), b.size());
  if (common) {
    if (int order = std::memcmp(a.data(), b.data(), common)) return sign_of(order);
  }
  if (a.size() == b.size()) return 0;
  if (!pads) return a.size() < b.size() ? -1 : 1;
  std::string_view rest = a.size() > b.size() ? a.substr(common) : b.substr(common);
  int longer = a.size() > b.size() ? 1 : -1;
  for (char c : rest) {
    if (c != ' ') return static_cast<unsigned char>(c) < ' ' ? -longer : longer;
  }
  return 0;
}

// ASCII as both case-insensitive orders weigh it.
struct AsciiWeights {
  uint8_t of[128];
  constexpr AsciiWeights() : of{} {
    for (int c = 0; c < 128; ++c) of[c] = static_cast<uint8_t>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
};
constexpr AsciiWeights kAscii;

inline uint32_t following(std::string_view text, size_t& at) noexcept {
  auto c = static_cast<unsigned char>(text[at]);
  if (c >= 0x80) return next_character(text, at);
  ++at;
  return c;
}

template <class Weight>
int compare_padded(std::string_view a, std::string_view b, const Weight& weight) noexcept {
  size_t i = 0, k = 0;
  for (size_t common = std::min(a.size(), b.size()); i < common; ++i) {  // while all is ASCII
    auto x = static_cast<unsigned char>(a[i]), y = static_cast<unsigned char>(b[i]);
    if ((x | y) >= 0x80) break;
    if (kAscii.of[x] != kAscii.of[y]) return kAscii.of[x] < kAscii.of[y] ? -1 : 1;
  }
  k = i;
  while (i < a.size() || k < b.size()) {
    uint32_t x = i < a.size() ? weight(following(a, i)) : ' ';
    uint32_t y = k < b.size() ? weight(following(b, k)) : ' ';
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

// Gives the weights of a text one by one.
class UcaScan {
 public:
  explicit UcaScan(std::string_view text) : text_(text) {}
  // 0 at the end.
  uint16_t next() noexcept {
    while (place_ == count_) {
      if (at_ == text_.size()) return 0;
      bool is_implicit = false;
      count_ = uca_table().weights(next_character(text_, at_), weights_, is_implicit);
      place_ = 0;
    }
    return weights_[place_++];
  }

 private:
  std::string_view text_;
  size_t at_ = 0, place_ = 0, count_ = 0;
  uint16_t weights_[12];
};

int compare_uca(std::string_view a, std::string_view b) noexcept {
  UcaScan left(a), right(b);
  for (;;) {
    uint16_t x = left.next(), y = right.next();
    if (x != y) return x < y ? -1 : 1;
    if (x == 0) return 0;
  }
}

bool same_uca(uint32_t a, uint32_t b) noexcept {
  if (a == b) return true;
  uint16_t x[12], y[12];
  bool a_implicit = false, b_implicit = false;
  size_t n = uca_table().weights(a, x, a_implicit);
  size_t m = uca_table().weights(b, y, b_implicit);
  return !a_implicit && !b_implicit && n == m && std::equal(x, x + n, y);
}

bool same_character(Order order, uint32_t a, uint32_t b) noexcept {
  if (a == b) return true;
  if (order != Order::kUca900 && (a | b) < 0x80) return order != Order::kBytes && kAscii.of[a] == kAscii.of[b];
  switch (order) {
    case Order::kBytes: return false;
    case Order::kAsciiCi: return ascii_upper(a) == ascii_upper(b);
    case Order::kGeneralCi: return general_table().weight(a) == general_table().weight(b);
    case Order::kUca900: return same_uca(a, b);
  }
  return false;
}

}  // namespace

uint32_t next_character(std::string_view text, size_t& at) noexcept {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  uint32_t c = byte(at);
  size_t n = c < 0xC2 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 1;
  if (n == 1 || at + n > text.size()) {
    ++at;
    return c;
  }
  c &= 0xFFu >> (n + 1);
  for (size_t i = 1; i < n; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) {
      c = byte(at++);
      return c;
    }
    c = c << 6 | (byte(at + i) & 0x3F);
  }
  at += n;
  return c > 0x10FFFF ? 0xFFFD : c;
}

size_t count_characters(std::string_view text) noexcept {
  size_t n = 0;
  for (size_t at = 0; at < text.size(); ++n) (void)next_character(text, at);
  return n;
}

std::string_view first_characters(std::string_view text, size_t n) noexcept {
  size_t at = 0;
  for (; n > 0 && at < text.size(); --n) (void)next_character(text, at);
  return text.substr(0, at);
}

const WhereCollation* where_collation(uint16_t id) noexcept {
  for (const WhereCollation& known : kCollations) {
    if (known.id == id) return &known;
  }
  return nullptr;
}

const WhereCollation* where_collation(std::string_view name) noexcept {
  for (const WhereCollation& known : kCollations) {
    if (known.name == name) return &known;
    if (known.name.starts_with("utf8mb3") && name.starts_with("utf8_") && known.name.substr(7) == name.substr(4)) return &known;
  }
  return nullptr;
}

const WhereCollation& default_where_collation() noexcept { return *where_collation(uint16_t{255}); }

std::string describe_collation(uint16_t id) {
  if (const WhereCollation* known = where_collation(id)) return std::string(known->name);
  for (const auto& [number, name] : kOthers) {
    if (number == id) return std::string(name);
  }
  return "number " + std::to_string(id);
}

std::string where_collation_names() {
  std::string out;
  for (const WhereCollation& known : kCollations) out.append(out.empty() ? "" : ", ").append(known.name);
  return out;
}

int compare_text(const WhereCollation& collation, std::string_view a, std::string_view b) noexcept {
  switch (collation.order) {
    case Order::kBytes: return compare_bytes(a, b, collation.pads);
    case Order::kAsciiCi: return compare_padded(a, b, ascii_upper);
    case Order::kGeneralCi: {
      const GeneralTable& table = general_table();
      return compare_padded(a, b, [&table](uint32_t c) { return table.weight(c); });
    }
    case Order::kUca900: return compare_uca(a, b);
  }
  return 0;
}

bool like_text(const WhereCollation& collation, std::string_view text, std::string_view pattern, char escape) noexcept {
  bool by_byte = collation.id == 63;
  auto next = [by_byte](std::string_view in, size_t& at) {
    return by_byte ? static_cast<uint32_t>(static_cast<unsigned char>(in[at++])) : following(in, at);
  };
  size_t t = 0, p = 0;
  size_t star = std::string_view::npos, star_text = 0;  // behind the last %, and where it is tried from
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%' && pattern[p] != escape) {
      star = ++p;
      star_text = t;
      continue;
    }
    bool matches = false;
    size_t after_text = t, after_pattern = p;
    if (p < pattern.size()) {
      bool escaped = escape && pattern[p] == escape && p + 1 < pattern.size();
      if (escaped) ++after_pattern;
      uint32_t wanted = next(pattern, after_pattern);
      uint32_t c = next(text, after_text);
      matches = (!escaped && wanted == '_') || same_character(collation.order, c, wanted);
    }
    if (matches) {
      t = after_text;
      p = after_pattern;
      continue;
    }
    if (star == std::string_view::npos) return false;
    (void)next(text, star_text);
    t = star_text;
    p = star;
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

}  // namespace tailrace
