#include "format/ewkt.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "event/value_text.h"

namespace tailrace {
namespace {

constexpr unsigned kMaxDepth = 64;  // of collections in collections
constexpr std::string_view kNames[] = {"",           "POINT",           "LINESTRING",   "POLYGON",
                                       "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"};

class Reader {
 public:
  Reader(std::string_view bytes, std::string& out) : rest_(bytes), out_(out) {}

  bool geometry(unsigned depth, bool with_name = true) {
    if (depth > kMaxDepth || rest_.empty()) return false;
    big_endian_ = rest_[0] == 0;
    if (rest_[0] != 0 && rest_[0] != 1) return false;
    rest_.remove_prefix(1);
    uint32_t type;
    if (!number(type) || type < 1 || type > 7) return false;
    if (with_name) out_ += kNames[type];
    switch (type) {
      case 1: return list(1, [&] { return point(); });
      case 2: return counted([&] { return point(); });
      case 3: return counted([&] { return counted([&] { return point(); }); });
      case 4:
      case 5:
      case 6: return counted([&] { return geometry(depth + 1, false); });
      default: return counted([&] { return geometry(depth + 1); });
    }
  }
  bool at_end() const noexcept { return rest_.empty(); }

 private:
  template <class T>
  bool number(T& value) {
    if (rest_.size() < sizeof(T)) return false;
    char bytes[sizeof(T)];
    for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = rest_[big_endian_ ? sizeof(T) - 1 - i : i];
    static_assert(std::endian::native == std::endian::little);
    std::memcpy(&value, bytes, sizeof(T));
    rest_.remove_prefix(sizeof(T));
    return true;
  }
  bool point() {
    double x, y;
    if (!number(x) || !number(y) || !std::isfinite(x) || !std::isfinite(y)) return false;
    append_double(x, false, out_);
    out_ += ' ';
    append_double(y, false, out_);
    return true;
  }
  template <class Item>
  bool counted(Item item) {
    uint32_t n;
    if (!number(n)) return false;
    if (n == 0) {
      out_ += out_.empty() || out_.back() == '(' || out_.back() == ',' ? "EMPTY" : " EMPTY";
      return true;
    }
    return list(n, item);
  }
  template <class Item>
  bool list(uint32_t n, Item item) {
    out_ += '(';
    for (uint32_t i = 0; i < n; ++i) {
      if (i) out_ += ',';
      if (!item()) return false;
    }
    out_ += ')';
    return true;
  }

  std::string_view rest_;
  std::string& out_;
  bool big_endian_ = false;
};

}  // namespace

bool append_ewkt(std::string_view stored, std::string& out) {
  if (stored.size() < 5) return false;
  uint32_t srid;
  std::memcpy(&srid, stored.data(), sizeof srid);
  if (srid != 0) out.append("SRID=").append(std::to_string(srid)).push_back(';');
  std::string text;  // apart, so that an empty list knows what stands before it
  Reader reader(stored.substr(sizeof srid), text);
  if (!reader.geometry(0) || !reader.at_end()) return false;
  out += text;
  return true;
}

}  // namespace tailrace
