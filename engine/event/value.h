// Value: one cell of a row image. POD of 16 bytes; text points into the arena of the batch that holds the row.
// The same struct is what rules see by FFI, so its layout is part of the rule ABI.
//
// One MySQL value has exactly one Value, whether it came from a SELECT or from the binary log:
//
//   kind        payload                                              scale        notes
//   kInt        i                                                    –            TINYINT..BIGINT signed
//   kUint       u                                                    –            unsigned integers
//   kDouble     d                                                    –            flags & kFloat32: a FLOAT, exact in the double
//   kDecimal    p,size: plain digits "-12.50", no exponent,          fraction     leading zeros cut ("0.50"), trailing kept
//               no "+", no "-0"                                      digits
//   kText       p,size: UTF-8                                        –
//   kBytes      p,size                                               –            BINARY(n) has its full n bytes
//   kJson       p,size: canonical JSON text                          –
//   kDate       u = (year*13+month)<<5 | day                         –            zero and partial dates intact
//   kTime       i = signed microseconds                              0..6         -838:59:59..838:59:59
//   kDateTime   u = (kDate payload << 17 | h<<12 | m<<6 | s) << 24   0..6         wall clock, never shifted
//               | microseconds
//   kTimestamp  i = microseconds since 1970 UTC; 0 = the zero        0..6         '0000-00-00 00:00:00'
//               timestamp
//   kYear       u (0 = 0000)                                         –
//   kBit        u                                                    –            width in Column::length
//   kEnum       u = index, 0 = error value ''                        –            label from Column::labels[u-1]
//   kSet        u = bits                                             –            labels in definition order
//   kGeometry   p,size: SRID (4 bytes LE) + WKB                      –            as the server stores it
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace tailrace {

enum class Kind : uint8_t {
  kAbsent,
  kNull,
  kInt,
  kUint,
  kDouble,
  kDecimal,
  kText,
  kBytes,
  kJson,
  kDate,
  kTime,
  kDateTime,
  kTimestamp,
  kYear,
  kBit,
  kEnum,
  kSet,
  kGeometry
};

inline constexpr uint16_t kFloat32 = 1;  // Value::flags: this double came from a FLOAT

struct Value {  // kAbsent: not in this row image, which is not the same as NULL
  Kind kind;
  uint8_t scale;
  uint16_t flags;
  uint32_t size;
  union {
    int64_t i;
    uint64_t u;
    double d;
    const char* p;
  };

  static Value absent() { return make(Kind::kAbsent); }
  static Value null() { return make(Kind::kNull); }
  static Value of_int(int64_t v) {
    Value x = make(Kind::kInt);
    x.i = v;
    return x;
  }
  static Value of_uint(uint64_t v) {
    Value x = make(Kind::kUint);
    x.u = v;
    return x;
  }
  static Value of_double(double v) {
    Value x = make(Kind::kDouble);
    x.d = v;
    return x;
  }
  static Value of_float(float v) {
    Value x = of_double(static_cast<double>(v));
    x.flags = kFloat32;
    return x;
  }
  static Value of_text(Kind kind, const char* p, uint32_t n, uint8_t scale = 0) {
    Value x = make(kind);
    x.p = p;
    x.size = n;
    x.scale = scale;
    return x;
  }
  static Value of_bits(Kind kind, uint64_t u, uint8_t scale = 0) {
    Value x = make(kind);
    x.u = u;
    x.scale = scale;
    return x;
  }

  bool is_null() const noexcept { return kind == Kind::kNull; }
  bool is_absent() const noexcept { return kind == Kind::kAbsent; }
  // REQUIRES: a kind whose payload is p,size.
  std::string_view text() const noexcept { return {p, size}; }

 private:
  static Value make(Kind kind) {
    Value x;
    x.kind = kind;
    x.scale = 0;
    x.flags = 0;
    x.size = 0;
    x.u = 0;
    return x;
  }
};
static_assert(sizeof(Value) == 16);

using Row = std::span<Value>;  // one Value per column of its TableSchema; empty = there is no such image

constexpr bool has_text_payload(Kind kind) noexcept {
  return kind == Kind::kDecimal || kind == Kind::kText || kind == Kind::kBytes || kind == Kind::kJson || kind == Kind::kGeometry;
}

// Same kind, same payload, byte for byte. The identity of a value; not SQL's "=".
bool identical(const Value& a, const Value& b) noexcept;
bool identical(std::span<const Value> a, std::span<const Value> b) noexcept;

}  // namespace tailrace
