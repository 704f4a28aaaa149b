#include "mysql/ddl_labels.h"

#include <algorithm>
#include <utility>

#include "mysql/charset.h"

namespace tailrace {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Code {
  std::string text, bytes;
};

// Codes of one and two bytes of a character set; those of more bytes are of GB18030 and Japanese only.
std::vector<Code> codes_of(const Charset& charset) {
  std::vector<Code> out;
  std::string text;
  auto add = [&](std::string_view code) {
    text.clear();
    if (append_utf8(charset, code, text)) out.push_back({text, std::string(code)});
  };
  for (int first = charset.ascii_compatible ? 0x80 : 0; first < 0x100; ++first) {
    char code[2] = {static_cast<char>(first), 0};
    add({code, 1});
    for (int second = 0x40; charset.codec == TextCodec::kMultiByte && second < 0x100; ++second) {
      code[1] = static_cast<char>(second);
      add({code, 2});
    }
  }
  return out;
}

size_t size_of_utf8(char lead) {
  auto byte = static_cast<unsigned char>(lead);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

bool is_wide(TextCodec codec) {
  return codec == TextCodec::kUtf16 || codec == TextCodec::kUtf16le || codec == TextCodec::kUcs2 || codec == TextCodec::kUtf32;
}

bool append_wide_code(TextCodec codec, std::string_view one, std::string& out) {
  auto lead = static_cast<unsigned char>(one[0]);
  uint32_t code = one.size() == 1 ? lead : lead & (0x7FU >> one.size());
  for (char more : one.substr(1)) code = code << 6 | (static_cast<unsigned char>(more) & 0x3FU);
  auto unit = [&](uint32_t value) {
    char high = static_cast<char>(value >> 8), low = static_cast<char>(value & 0xFF);
    if (codec == TextCodec::kUtf16le) std::swap(high, low);
    out += high;
    out += low;
  };
  if (codec == TextCodec::kUtf32) {
    unit(code >> 16);
    unit(code & 0xFFFF);
  } else if (code < 0x10000) {
    unit(code);
  } else if (codec == TextCodec::kUcs2) {
    return false;
  } else {
    unit(0xD800 + ((code - 0x10000) >> 10));
    unit(0xDC00 + ((code - 0x10000) & 0x3FF));
  }
  return true;
}

// The bytes of a label; nothing where they cannot be told from its text.
class LabelBytes {
 public:
  explicit LabelBytes(const Charset& charset) : charset_(charset) {}

  std::optional<std::string> of(std::string_view label) {
    std::string out;
    for (size_t i = 0; i < label.size();) {
      std::string_view one = label.substr(i, size_of_utf8(label[i]));
      i += one.size();
      if (one == kReplacement || !append(one, out)) return std::nullopt;
    }
    return out;
  }

 private:
  bool append(std::string_view one, std::string& out) {
    if (is_wide(charset_.codec)) return append_wide_code(charset_.codec, one, out);
    // The servers write a backslash into sjis as 0x815F; 0x5C comes there by a conversion only.
    if (charset_.name == "sjis" && one == "\\") return false;
    if (charset_.ascii_compatible && one.size() == 1) {
      out += one;
      return true;
    }
    if (charset_.codec == TextCodec::kUtf8) {
      out += one;
      return one.size() <= charset_.max_bytes;
    }
    if (charset_.codec != TextCodec::kSingleByte && charset_.codec != TextCodec::kMultiByte) return false;
    if (codes_.empty()) codes_ = codes_of(charset_);
    const Code* found = nullptr;
    for (const Code& code : codes_) {
      if (code.text != one) continue;
      if (found) return false;  // which of them the server takes is not known here
      found = &code;
    }
    if (found) out += found->bytes;
    return found != nullptr;
  }

  const Charset& charset_;
  std::vector<Code> codes_;
};

// How the servers read bytes: a character, one that is none, or too few bytes for one.
struct Reading {
  enum class What : uint8_t { kCharacter, kIllegal, kIncomplete };
  What what = What::kIllegal;
  size_t size = 1;
  std::string text = {};
};

Reading read_character(const Charset& charset, std::string_view in) {
  Reading out;
  auto lead = static_cast<unsigned char>(in[0]);
  size_t size = 1, passed_over = 1;
  if (charset.codec == TextCodec::kUtf8) {
    bool begins = lead < 0x80 || (lead >= 0xC2 && (charset.max_bytes == 4 || lead < 0xF0));
    if (!begins) return out;
    size = size_of_utf8(in[0]);
  } else if (charset.codec == TextCodec::kMultiByte) {
    bool half_width = charset.name == "sjis" && lead >= 0xA1 && lead <= 0xDF;
    if (lead >= 0x80 && !half_width) size = 2;
    if (size == 2 && in.size() >= 2 && !(charset.name == "sjis" && static_cast<unsigned char>(in[1]) < 0x80)) passed_over = 2;
  } else if (is_wide(charset.codec)) {
    size = charset.codec == TextCodec::kUtf32 ? 4 : 2;
    bool pairs = charset.codec == TextCodec::kUtf16 || charset.codec == TextCodec::kUtf16le;
    if (pairs && in.size() >= 2) {
      auto high = static_cast<unsigned char>(charset.codec == TextCodec::kUtf16 ? in[0] : in[1]);
      if (high >= 0xD8 && high < 0xDC) size = 4;
    }
  }
  if (in.size() < size) {
    out.what = Reading::What::kIncomplete;
    return out;
  }
  bool good = charset.codec == TextCodec::kAscii ? lead < 0x80 : append_utf8(charset, in.substr(0, size), out.text);
  if (charset.codec == TextCodec::kAscii && good) out.text = in.substr(0, 1);
  out.what = good ? Reading::What::kCharacter : Reading::What::kIllegal;
  out.size = good ? size : passed_over;
  return out;
}

// Those of more than two bytes are read as a whole or not at all.
bool is_read_by_character(const Charset& charset) {
  return charset.codec != TextCodec::kMultiByte || charset.name == "gbk" || charset.name == "big5" || charset.name == "sjis";
}

bool read_label(const Charset& charset, std::string_view bytes, bool is_mariadb, std::string& text, std::string& shown) {
  if (!is_read_by_character(charset)) {
    bool good = append_utf8(charset, bytes, text);
    shown = text;
    return good;
  }
  while (!bytes.empty()) {
    Reading read = read_character(charset, bytes);
    bytes.remove_prefix(read.size);
    if (read.what == Reading::What::kCharacter) {
      text += read.text;
      shown += read.text.size() == 4 ? "?" : read.text;  // the catalogue is in utf8mb3
      continue;
    }
    text += kReplacement;
    if (read.what == Reading::What::kIncomplete && !is_mariadb) return true;  // MySQL stops there
    shown += '?';
  }
  return true;
}

}  // namespace

std::string quoted_label(std::string_view label) {
  std::string out = "'";
  for (char c : label) {
    if (c == '\0') out += "\\0";
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\\') out += "\\\\";
    else if (c == '\'') out += "''";
    else out += c;
  }
  return out + "'";
}

std::string representable_label(std::string_view label, uint16_t collation) {
  const Charset& charset = *charset_of_collation(collation);
  bool narrow = charset.codec == TextCodec::kAscii || charset.codec == TextCodec::kSingleByte || charset.codec == TextCodec::kMultiByte;
  bool plane_0 = charset.codec == TextCodec::kUcs2 || charset.name == "utf8mb3";
  if (is_ascii(label) || charset.name == "gb18030" || (!narrow && !plane_0)) return std::string(label);
  std::vector<Code> codes;
  if (narrow && charset.codec != TextCodec::kAscii) codes = codes_of(charset);
  std::string out;
  for (size_t i = 0; i < label.size();) {
    std::string_view one = label.substr(i, size_of_utf8(label[i]));
    bool known = one.size() == 1 ||
                 (plane_0 ? one.size() < 4 : std::any_of(codes.begin(), codes.end(), [&](const Code& code) { return code.text == one; }));
    out += known ? one : "?";
    i += one.size();
  }
  return out;
}

bool is_lost_label(std::string_view label) noexcept { return label.find(kReplacement) != std::string_view::npos; }

std::optional<ConvertedLabels> convert_labels(const std::vector<std::string>& labels, uint16_t from, uint16_t to, bool is_mariadb) {
  const Charset& before = *charset_of_collation(from);
  const Charset& after = *charset_of_collation(to);
  if (after.codec == TextCodec::kUnknown || after.codec == TextCodec::kBinary) return std::nullopt;
  ConvertedLabels out;
  LabelBytes bytes_of(before);
  for (const std::string& label : labels) {
    auto bytes = bytes_of.of(label);
    if (!bytes) return std::nullopt;
    if (!read_label(after, *bytes, is_mariadb, out.labels.emplace_back(), out.shown.emplace_back())) return std::nullopt;
  }
  return out;
}

}  // namespace tailrace
