#include "mysql/charset.h"

#include <fmt/format.h>
#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>

#include "mysql/charset_corrections.h"

namespace tailrace {
namespace {

constexpr Charset kUnknownCharset{"unknown", TextCodec::kUnknown, nullptr, false, 1};

struct Entry {
  Charset charset;
  uint16_t default_collation;
};

// The order is that of CharsetIndex.
constexpr Entry kCharsets[] = {
    {{"utf8mb4", TextCodec::kUtf8, nullptr, true, 4}, 45},
    {{"utf8mb3", TextCodec::kUtf8, nullptr, true, 3}, 33},
    {{"ascii", TextCodec::kAscii, nullptr, true, 1}, 11},
    {{"binary", TextCodec::kBinary, nullptr, true, 1}, 63},
    {{"latin1", TextCodec::kSingleByte, "CP1252", true, 1}, 8},
    {{"latin2", TextCodec::kSingleByte, "ISO-8859-2", true, 1}, 9},
    {{"latin5", TextCodec::kSingleByte, "ISO-8859-9", true, 1}, 30},
    {{"latin7", TextCodec::kSingleByte, "ISO-8859-13", true, 1}, 41},
    {{"cp1250", TextCodec::kSingleByte, "CP1250", true, 1}, 26},
    {{"cp1251", TextCodec::kSingleByte, "CP1251", true, 1}, 51},
    {{"cp1256", TextCodec::kSingleByte, "CP1256", true, 1}, 57},
    {{"cp1257", TextCodec::kSingleByte, "CP1257", true, 1}, 59},
    {{"cp850", TextCodec::kSingleByte, "CP850", true, 1}, 4},
    {{"cp852", TextCodec::kSingleByte, "CP852", true, 1}, 40},
    {{"cp866", TextCodec::kSingleByte, "CP866", true, 1}, 36},
    {{"koi8r", TextCodec::kSingleByte, "KOI8-R", true, 1}, 7},
    {{"koi8u", TextCodec::kSingleByte, "KOI8-U", true, 1}, 22},
    {{"greek", TextCodec::kSingleByte, "ISO-8859-7", true, 1}, 25},
    {{"hebrew", TextCodec::kSingleByte, "ISO-8859-8", true, 1}, 16},
    {{"tis620", TextCodec::kSingleByte, "TIS-620", true, 1}, 18},
    {{"macroman", TextCodec::kSingleByte, "MACINTOSH", true, 1}, 39},
    {{"macce", TextCodec::kSingleByte, "MAC-CENTRALEUROPE", true, 1}, 38},
    {{"dec8", TextCodec::kSingleByte, "DEC-MCS", true, 1}, 3},
    {{"hp8", TextCodec::kSingleByte, "HP-ROMAN8", true, 1}, 6},
    {{"armscii8", TextCodec::kSingleByte, "ARMSCII-8", true, 1}, 32},
    {{"geostd8", TextCodec::kSingleByte, "GEORGIAN-PS", true, 1}, 92},
    {{"keybcs2", TextCodec::kSingleByte, "CP437", true, 1}, 37},
    {{"swe7", TextCodec::kSingleByte, "SEN_850200_C", false, 1}, 10},
    {{"gbk", TextCodec::kMultiByte, "CP936", true, 2}, 28},
    {{"gb2312", TextCodec::kMultiByte, "EUC-CN", true, 2}, 24},
    {{"gb18030", TextCodec::kMultiByte, "GB18030", true, 4}, 248},
    {{"big5", TextCodec::kMultiByte, "BIG5", true, 2}, 1},
    {{"sjis", TextCodec::kMultiByte, "CP932", true, 2}, 13},
    {{"cp932", TextCodec::kMultiByte, "CP932", true, 2}, 95},
    {{"ujis", TextCodec::kMultiByte, "EUC-JP-MS", true, 3}, 12},
    {{"eucjpms", TextCodec::kMultiByte, "EUC-JP-MS", true, 3}, 97},
    {{"euckr", TextCodec::kMultiByte, "UHC", true, 2}, 19},
    {{"utf16", TextCodec::kUtf16, nullptr, false, 4}, 54},
    {{"utf16le", TextCodec::kUtf16le, nullptr, false, 4}, 56},
    {{"ucs2", TextCodec::kUcs2, nullptr, false, 2}, 35},
    {{"utf32", TextCodec::kUtf32, nullptr, false, 4}, 60},
};

struct CollationRange {
  uint16_t first, last;
  std::string_view charset;
};
constexpr CollationRange kCollations[] = {
    {1, 1, "big5"},
    {2, 2, "latin2"},
    {3, 3, "dec8"},
    {4, 4, "cp850"},
    {5, 5, "latin1"},
    {6, 6, "hp8"},
    {7, 7, "koi8r"},
    {8, 8, "latin1"},
    {9, 9, "latin2"},
    {10, 10, "swe7"},
    {11, 11, "ascii"},
    {12, 12, "ujis"},
    {13, 13, "sjis"},
    {14, 14, "cp1251"},
    {15, 15, "latin1"},
    {16, 16, "hebrew"},
    {18, 18, "tis620"},
    {19, 19, "euckr"},
    {20, 20, "latin7"},
    {21, 21, "latin2"},
    {22, 22, "koi8u"},
    {23, 23, "cp1251"},
    {24, 24, "gb2312"},
    {25, 25, "greek"},
    {26, 26, "cp1250"},
    {27, 27, "latin2"},
    {28, 28, "gbk"},
    {29, 29, "cp1257"},
    {30, 30, "latin5"},
    {31, 31, "latin1"},
    {32, 32, "armscii8"},
    {33, 33, "utf8mb3"},
    {34, 34, "cp1250"},
    {35, 35, "ucs2"},
    {36, 36, "cp866"},
    {37, 37, "keybcs2"},
    {38, 38, "macce"},
    {39, 39, "macroman"},
    {40, 40, "cp852"},
    {41, 42, "latin7"},
    {43, 43, "macce"},
    {44, 44, "cp1250"},
    {45, 46, "utf8mb4"},
    {47, 49, "latin1"},
    {50, 52, "cp1251"},
    {53, 53, "macroman"},
    {54, 55, "utf16"},
    {56, 56, "utf16le"},
    {57, 57, "cp1256"},
    {58, 59, "cp1257"},
    {60, 61, "utf32"},
    {62, 62, "utf16le"},
    {63, 63, "binary"},
    {64, 64, "armscii8"},
    {65, 65, "ascii"},
    {66, 66, "cp1250"},
    {67, 67, "cp1256"},
    {68, 68, "cp866"},
    {69, 69, "dec8"},
    {70, 70, "greek"},
    {71, 71, "hebrew"},
    {72, 72, "hp8"},
    {73, 73, "keybcs2"},
    {74, 74, "koi8r"},
    {75, 75, "koi8u"},
    {76, 76, "utf8mb3"},
    {77, 77, "latin2"},
    {78, 78, "latin5"},
    {79, 79, "latin7"},
    {80, 80, "cp850"},
    {81, 81, "cp852"},
    {82, 82, "swe7"},
    {83, 83, "utf8mb3"},
    {84, 84, "big5"},
    {85, 85, "euckr"},
    {86, 86, "gb2312"},
    {87, 87, "gbk"},
    {88, 88, "sjis"},
    {89, 89, "tis620"},
    {90, 90, "ucs2"},
    {91, 91, "ujis"},
    {92, 93, "geostd8"},
    {94, 94, "latin1"},
    {95, 96, "cp932"},
    {97, 98, "eucjpms"},
    {99, 99, "cp1250"},
    {101, 124, "utf16"},
    {128, 151, "ucs2"},
    {159, 159, "ucs2"},
    {160, 183, "utf32"},
    {192, 215, "utf8mb3"},
    {223, 223, "utf8mb3"},
    {224, 247, "utf8mb4"},
    {248, 250, "gb18030"},
    {255, 323, "utf8mb4"},
    // MariaDB's own.
    {576, 607, "utf8mb3"},
    {608, 639, "utf8mb4"},
    {640, 671, "ucs2"},
    {672, 703, "utf16"},
    {736, 767, "utf32"},
    {2048, 2303, "utf8mb3"},
    {2304, 2559, "utf8mb4"},
    {2560, 2815, "ucs2"},
    {2816, 3071, "utf16"},
    {3072, 3327, "utf32"},
};

void append_code_point(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | c >> 6));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | c >> 12));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | c >> 18));
    out.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

bool is_surrogate(uint32_t c) { return c >= 0xD800 && c <= 0xDFFF; }

bool append_wide(TextCodec codec, std::string_view in, std::string& out) {
  auto at = reinterpret_cast<const uint8_t*>(in.data());
  size_t unit = codec == TextCodec::kUtf32 ? 4 : 2;
  if (in.size() % unit != 0) return false;
  for (size_t i = 0; i < in.size(); i += unit) {
    uint32_t c = 0;
    if (codec == TextCodec::kUtf16le) {
      c = static_cast<uint32_t>(at[i] | at[i + 1] << 8);
    } else {
      for (size_t k = 0; k < unit; ++k) c = c << 8 | at[i + k];
    }
    bool pairs = codec == TextCodec::kUtf16 || codec == TextCodec::kUtf16le;
    if (pairs && c >= 0xD800 && c < 0xDC00) {
      if (i + 3 >= in.size()) return false;
      uint32_t low = codec == TextCodec::kUtf16le ? static_cast<uint32_t>(at[i + 2] | at[i + 3] << 8)
                                                  : static_cast<uint32_t>(at[i + 2] << 8 | at[i + 3]);
      if (low < 0xDC00 || low > 0xDFFF) return false;
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
      i += 2;
    } else if (is_surrogate(c)) {
      return false;
    }
    if (c > 0x10FFFF) return false;
    append_code_point(out, c);
  }
  return true;
}

// Bytes of the character that starts here, by its first byte; 1 when what follows cannot belong to it.
size_t character_size(std::string_view charset, std::string_view at) {
  auto lead = static_cast<uint8_t>(at[0]);
  bool shift_jis = charset == "sjis" || charset == "cp932";
  if (lead < 0x80 || (shift_jis && lead >= 0xA1 && lead <= 0xDF)) return 1;
  size_t size = 2;
  if (lead == 0x8F && (charset == "ujis" || charset == "eucjpms")) size = 3;
  uint8_t lowest = 0x40;
  if (charset == "gb18030") {
    lowest = 0x30;
    if (at.size() > 1 && at[1] >= '0' && at[1] <= '9') size = 4;
  }
  return at.size() < size || static_cast<uint8_t>(at[1]) < lowest ? 1 : size;
}

class Converter {
 public:
  explicit Converter(const char* from) : handle_(iconv_open("UTF-8", from)) {}
  ~Converter() {
    if (usable()) iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;
  bool usable() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  bool append(std::string_view in, std::string& out) {
    if (!usable()) return false;
    iconv(handle_, nullptr, nullptr, nullptr, nullptr);
    size_t start = out.size();
    out.resize(start + in.size() * 3 + 8);
    char* from = const_cast<char*>(in.data());
    size_t left = in.size();
    char* to = out.data() + start;
    size_t room = out.size() - start;
    size_t result = iconv(handle_, &from, &left, &to, &room);
    bool good = result != static_cast<size_t>(-1) && left == 0;
    if (good) iconv(handle_, nullptr, nullptr, &to, &room);
    out.resize(static_cast<size_t>(to - out.data()));
    return good;
  }

 private:
  iconv_t handle_;
};

constexpr size_t kCharsetCount = std::size(kCharsets);

// REQUIRES: one of kCharsets, whose first member it is.
size_t index_of(const Charset& charset) { return static_cast<size_t>(reinterpret_cast<const Entry*>(&charset) - kCharsets); }

std::span<const Correction> corrections(const Charset& charset) {
  static const auto kByCharset = [] {
    std::array<std::span<const Correction>, kCharsetCount> out;
    for (size_t i = 0; i < kCharsetCount; ++i) out[i] = corrections_of(kCharsets[i].charset.name);
    return out;
  }();
  return kByCharset[index_of(charset)];
}

bool append_multi_byte(const Charset& charset, std::string_view in, std::string& out) {
  // Handles keep state and are not shared between threads.
  thread_local std::array<std::unique_ptr<Converter>, kCharsetCount> converters;
  auto& converter = converters[index_of(charset)];
  if (!converter) converter = std::make_unique<Converter>(charset.system_name);
  std::span<const Correction> corrected = corrections(charset);
  if (corrected.empty()) return converter->append(in, out);
  size_t done = 0;
  for (size_t at = 0; at < in.size();) {
    size_t size = character_size(charset.name, in.substr(at));
    uint32_t code = 0;
    for (size_t i = 0; i < size; ++i) code = code << 8 | static_cast<uint8_t>(in[at + i]);
    if (const Correction* correction = size > 1 ? find_correction(corrected, code) : nullptr) {
      uint32_t to = correction->character(code);
      if (to == 0 || !converter->append(in.substr(done, at - done), out)) return false;
      append_code_point(out, to);
      done = at + size;
    }
    at += size;
  }
  return converter->append(in.substr(done), out);
}

struct SingleByteTable {
  std::once_flag once;
  std::array<char, 256 * 4> text{};  // per byte: length, then up to 3 bytes; length 0 = no such character
};

const SingleByteTable& single_byte_table(const Charset& charset) {
  static std::array<SingleByteTable, kCharsetCount> tables;
  SingleByteTable& table = tables[index_of(charset)];
  std::call_once(table.once, [&] {
    Converter converter(charset.system_name);
    bool latin1 = charset.name == "latin1";
    for (int byte = 0; byte < 256; ++byte) {
      char in = static_cast<char>(byte);
      std::string out;
      const Correction* correction = find_correction(corrections(charset), static_cast<uint32_t>(byte));
      uint32_t to = correction ? correction->character(static_cast<uint32_t>(byte)) : 0U;
      if (to) append_code_point(out, to);
      bool good = correction ? to != 0 || byte == 0 : converter.append({&in, 1}, out);
      if (!good && latin1) {  // the five holes of Windows-1252 stand for themselves
        out.clear();
        append_code_point(out, static_cast<uint32_t>(byte));
        good = true;
      }
      if (!good || out.empty() || out.size() > 3) continue;
      char* entry = &table.text[static_cast<size_t>(byte) * 4];
      entry[0] = static_cast<char>(out.size());
      std::memcpy(entry + 1, out.data(), out.size());
    }
  });
  return table;
}

bool append_single_byte(const Charset& charset, std::string_view in, std::string& out) {
  const SingleByteTable& table = single_byte_table(charset);
  for (char c : in) {
    const char* entry = &table.text[static_cast<size_t>(static_cast<uint8_t>(c)) * 4];
    if (entry[0] == 0) return false;
    out.append(entry + 1, static_cast<size_t>(entry[0]));
  }
  return true;
}

}  // namespace

const Charset* find_charset(std::string_view name) noexcept {
  if (name == "utf8") name = "utf8mb3";
  for (const Entry& entry : kCharsets) {
    if (entry.charset.name == name) return &entry.charset;
  }
  return nullptr;
}

uint16_t default_collation(std::string_view charset_name) noexcept {
  if (charset_name == "utf8") charset_name = "utf8mb3";
  for (const Entry& entry : kCharsets) {
    if (entry.charset.name == charset_name) return entry.default_collation;
  }
  return 0;
}

const Charset* charset_of_collation(uint16_t collation) noexcept {
  // MariaDB's NOPAD twins of the classic collations.
  if (collation > 1024 && collation < 2048) collation = static_cast<uint16_t>(collation - 1024);
  for (const CollationRange& range : kCollations) {
    if (collation >= range.first && collation <= range.last) return find_charset(range.charset);
  }
  return &kUnknownCharset;
}

bool is_ascii(std::string_view text) noexcept {
  const char* at = text.data();
  size_t left = text.size();
  uint64_t high = 0;
  while (left >= 32) {
    uint64_t words[4];
    std::memcpy(words, at, 32);
    high |= words[0] | words[1] | words[2] | words[3];
    at += 32;
    left -= 32;
  }
  while (left >= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    high |= word;
    at += 8;
    left -= 8;
  }
  while (left--) high |= static_cast<uint64_t>(static_cast<uint8_t>(*at++));
  return (high & 0x8080808080808080ULL) == 0;
}

bool is_utf8(std::string_view text) noexcept {
  if (is_ascii(text)) return true;
  auto at = reinterpret_cast<const uint8_t*>(text.data());
  auto end = at + text.size();
  while (at < end) {
    uint8_t lead = *at;
    if (lead < 0x80) {
      ++at;
      continue;
    }
    size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || static_cast<size_t>(end - at) <= more) return false;
    for (size_t i = 1; i <= more; ++i) {
      if ((at[i] & 0xC0) != 0x80) return false;
    }
    if ((lead == 0xE0 && at[1] < 0xA0) || (lead == 0xED && at[1] > 0x9F) || (lead == 0xF0 && at[1] < 0x90) ||
        (lead == 0xF4 && at[1] > 0x8F)) {
      return false;
    }
    at += more + 1;
  }
  return true;
}

bool append_utf8(const Charset& charset, std::string_view in, std::string& out) {
  if (charset.ascii_compatible && is_ascii(in)) {
    out.append(in);
    return true;
  }
  switch (charset.codec) {
    case TextCodec::kUtf8:
      if (!is_utf8(in)) return false;
      out.append(in);
      return true;
    case TextCodec::kSingleByte: return append_single_byte(charset, in, out);
    case TextCodec::kMultiByte: return append_multi_byte(charset, in, out);
    case TextCodec::kUtf16:
    case TextCodec::kUtf16le:
    case TextCodec::kUcs2:
    case TextCodec::kUtf32: return append_wide(charset.codec, in, out);
    case TextCodec::kAscii:
    case TextCodec::kBinary:
    case TextCodec::kUnknown: return false;
  }
  return false;
}

void append_utf8_replacing(const Charset& charset, std::string_view in, std::string& out) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  auto take = [&](size_t size) {
    size_t before = out.size();
    if (size > in.size() || !append_utf8(charset, in.substr(0, size), out)) {
      out.resize(before);
      return false;
    }
    in.remove_prefix(size);
    return true;
  };
  while (!in.empty()) {
    size_t size = 1;  // of what is passed over when it is no character
    bool taken = false;
    switch (charset.codec) {
      case TextCodec::kUtf8:
        for (size_t bytes = 1; bytes <= 4 && !taken; ++bytes) taken = take(bytes);
        break;
      case TextCodec::kMultiByte:
        size = character_size(charset.name, in);
        taken = take(size);
        break;
      case TextCodec::kUtf16:
      case TextCodec::kUtf16le:
      case TextCodec::kUcs2:
      case TextCodec::kUtf32:
        size = charset.codec == TextCodec::kUtf32 ? 4 : 2;
        taken = take(size) || take(2 * size);
        break;
      default: taken = take(size);
    }
    if (taken) continue;
    out.append(kReplacement);
    in.remove_prefix(std::min(size, in.size()));
  }
}

bool to_utf8(const Charset& charset, InvalidText invalid, std::string_view in, std::string& scratch, std::string_view& out) {
  out = in;
  switch (charset.codec) {
    case TextCodec::kUtf8:
      if (is_utf8(in)) return true;
      break;
    case TextCodec::kAscii:
      if (is_ascii(in)) return true;
      break;
    default:
      if (charset.ascii_compatible && is_ascii(in)) return true;
      scratch.clear();
      if (append_utf8(charset, in, scratch)) {
        out = scratch;
        return true;
      }
  }
  if (invalid == InvalidText::kStop) return false;
  scratch.clear();
  append_utf8_replacing(charset, in, scratch);
  out = scratch;
  return true;
}

std::string describe_invalid_text(const Charset& charset, std::string_view in) {
  std::string hex;
  for (unsigned char byte : in.substr(0, 32)) hex += fmt::format("{:02x}", byte);
  return fmt::format("bytes x'{}'{} that are not text in its character set {}", hex, in.size() > 32 ? "…" : "", charset.name);
}

}  // namespace tailrace
