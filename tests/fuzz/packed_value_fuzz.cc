// Packed values: DECIMAL both ways, compressed columns and events, text of every charset, bodies of small events.
#include <cstring>

#include "fuzz/fuzz.h"
#include "mysql/binlog_event.h"
#include "mysql/charset.h"
#include "mysql/compression.h"
#include "mysql/decimal.h"
#include "mysql/rows_decoder.h"

using namespace tailrace;

namespace {

// Packs canonical digits again, by the description of the format alone: groups of 9 digits, big-endian, the first
// bit inverted, all of it inverted for negative numbers.
std::string packed_decimal(std::string_view text, unsigned precision, unsigned scale) {
  constexpr unsigned kBytes[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
  bool negative = text[0] == '-';
  if (negative) text.remove_prefix(1);
  size_t point = text.find('.');
  std::string whole(text.substr(0, point));
  std::string fraction(point == std::string_view::npos ? "" : text.substr(point + 1));
  FUZZ_CHECK(fraction.size() == scale);
  unsigned digits = precision - scale;
  if (digits == 0) {
    FUZZ_CHECK(whole == "0");
    whole.clear();
  }
  FUZZ_CHECK(whole.size() <= digits);
  whole.insert(0, digits - whole.size(), '0');
  std::string out;
  auto put = [&](std::string_view group) {
    uint32_t value = 0;
    for (char c : group) value = value * 10 + static_cast<uint32_t>(c - '0');
    for (unsigned i = kBytes[group.size()]; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
  };
  put(std::string_view(whole).substr(0, digits % 9));
  for (size_t i = digits % 9; i < digits; i += 9) put(std::string_view(whole).substr(i, 9));
  for (size_t i = 0; i < scale; i += 9) put(std::string_view(fraction).substr(i, 9));
  out[0] = static_cast<char>(out[0] ^ 0x80);
  if (negative) {
    for (char& c : out) c = static_cast<char>(~c);
  }
  return out;
}

void decimal(fuzz::Input& in) {
  unsigned precision = in.u8() % 65 + 1U;
  unsigned scale = in.u8() % (std::min(precision, 38U) + 1U);
  size_t size = decimal_size(precision, scale);
  std::string packed(in.bytes(size));
  if (packed.size() != size) return;
  char text[kDecimalTextMax];
  size_t n = decimal_to_text(reinterpret_cast<const uint8_t*>(packed.data()), precision, scale, text);
  FUZZ_CHECK(n <= sizeof text);
  if (n == 0) return;
  std::string again = packed_decimal({text, n}, precision, scale);
  bool zero = std::string_view(text, n).find_first_of("123456789") == std::string_view::npos;
  if (zero && packed != again) {  // minus zero is read as zero
    for (char& c : again) c = static_cast<char>(~c);
  }
  FUZZ_CHECK(packed == again);
}

void charset(fuzz::Input& in) {
  const Charset* charset = charset_of_collation(in.u16());
  std::string_view bytes = in.rest();
  std::string text;
  if (charset->codec == TextCodec::kUnknown || charset->codec == TextCodec::kBinary) return;
  bool good = append_utf8(*charset, bytes, text);
  FUZZ_CHECK(text.size() <= 4 * bytes.size() + 16);
  if (!good) return;
  FUZZ_CHECK(is_utf8(text));
  if (charset->ascii_compatible && is_ascii(bytes)) FUZZ_CHECK(text == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  std::string out;
  switch (in.u8() % 8) {
    case 0:
    case 1: decimal(in); break;
    case 2:
      if (unpack_column(in.rest(), out)) FUZZ_CHECK(out.size() <= 1040 * (size + 17));
      break;
    case 3:
      if (unpack_event_part(in.rest(), out)) FUZZ_CHECK(out.size() <= 1040 * (size + 17));
      break;
    case 4:
    case 5: charset(in); break;
    case 6: {
      FormatDescription format;
      format.post_header[static_cast<size_t>(EventType::kQuery)] = in.u8() % 16;
      auto query = parse_query(in.rest(), format);
      if (query.ok()) FUZZ_CHECK(query->sql.size() + query->database.size() <= size);
      break;
    }
    default: {
      std::string_view body = in.rest();
      auto format = parse_format_description(body);
      if (format.ok()) FUZZ_CHECK(format->version == 4 && format->server_version.size() <= 50);
      auto rotate = parse_rotate(body, FormatDescription());
      if (rotate.ok()) FUZZ_CHECK(!rotate->file.empty() && rotate->file.size() < size);
      if (body.size() >= 16) {
        auto bytes = reinterpret_cast<const uint8_t*>(body.data());
        append_inet4(bytes, out);
        append_inet6(bytes, out);
        append_uuid(bytes, out);
        FUZZ_CHECK(out.size() <= 15 + 46 + 36);
      }
    }
  }
  return 0;
}
