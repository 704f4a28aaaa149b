// Character sets of the MySQL family and their conversion to UTF-8. Thread-safe; conversion state is per thread.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace {

enum class TextCodec : uint8_t {
  kUnknown,  // a collation id or charset this engine cannot convert
  kBinary,
  kUtf8,  // utf8mb4, utf8mb3, ascii: passed through once checked
  kAscii,
  kSingleByte,  // one byte is one character, by table
  kMultiByte,   // converted by the system's tables
  kUtf16,
  kUtf16le,
  kUcs2,
  kUtf32
};

struct Charset {
  std::string_view name;  // the server's: "latin1", "gbk"
  TextCodec codec;
  const char* system_name;  // for kSingleByte and kMultiByte; null otherwise
  bool ascii_compatible;    // bytes below 0x80 are ASCII
  uint8_t max_bytes;        // of one character
};

// By collation id, as in TABLE_MAP metadata and Column::charset. Id 0 is "not known". Never null.
const Charset* charset_of_collation(uint16_t collation) noexcept;
// By name ("utf8" is utf8mb3); null when there is none.
const Charset* find_charset(std::string_view name) noexcept;
// The id of the charset's default collation; 0 when there is none.
uint16_t default_collation(std::string_view charset_name) noexcept;

// Is it all ASCII / well-formed UTF-8?
bool is_ascii(std::string_view text) noexcept;
bool is_utf8(std::string_view text) noexcept;

// Appends `in` converted to UTF-8; false when it has bytes the charset does not have. REQUIRES: not kUnknown, kBinary.
[[nodiscard]] bool append_utf8(const Charset& charset, std::string_view in, std::string& out);
// The same with U+FFFD for each character that there is none for: one for a byte that begins no character, one for a
// well-formed code without a character.
void append_utf8_replacing(const Charset& charset, std::string_view in, std::string& out);

// What to do with bytes in a text column that are not text of its character set; the same for SELECT and log.
enum class InvalidText : uint8_t { kStop, kReplace };
// `in` as UTF-8: `in` itself where nothing has to change, else what is now in `scratch`. False: it is no text, and
// that stops. REQUIRES: as append_utf8.
[[nodiscard]] bool to_utf8(const Charset& charset, InvalidText invalid, std::string_view in, std::string& scratch, std::string_view& out);
// "bytes x'…' that are not text in its character set gbk": for messages; no more than 32 bytes are shown.
std::string describe_invalid_text(const Charset& charset, std::string_view in);

}  // namespace tailrace
