// MySQL's binary JSON, as stored and logged, to the text a SELECT prints. Views point into the document. No shared state.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tailrace {

// Appends `{"a": 1, "b": [1, 2]}`; kSourceCorrupt when the bytes are not a document. An empty value is JSON null.
Status append_json_binary(std::string_view document, std::string& out);

// Appends a double as the server prints it inside JSON.
void append_json_double(double value, std::string& out);

enum class JsonType : uint8_t {
  kSmallObject = 0,
  kLargeObject = 1,
  kSmallArray = 2,
  kLargeArray = 3,
  kLiteral = 4,
  kInt16 = 5,
  kUint16 = 6,
  kInt32 = 7,
  kUint32 = 8,
  kInt64 = 9,
  kUint64 = 10,
  kDouble = 11,
  kString = 12,
  kOpaque = 15
};
inline constexpr int kJsonMaxDepth = 101;  // the server's limit is 100

// One value of a document. `bytes` begin at the value and may go on behind its end: nothing in it is checked yet.
struct JsonValue {
  JsonType type = JsonType::kLiteral;
  std::string_view bytes;
  bool is_object() const noexcept { return type == JsonType::kSmallObject || type == JsonType::kLargeObject; }
  bool is_array() const noexcept { return type == JsonType::kSmallArray || type == JsonType::kLargeArray; }
};
// The value a whole document is.
JsonValue json_root(std::string_view document) noexcept;

// An object or array, its table of entries checked to lie inside it.
class JsonContainer {
 public:
  // False: `value` is no container, or is damaged.
  [[nodiscard]] bool open(const JsonValue& value);
  bool is_object() const noexcept { return is_object_; }
  uint64_t size() const noexcept { return count_; }
  size_t entry_bytes() const noexcept { return key_entry_ + width_ + 1; }
  // Of entry `i`. False: it points outside. REQUIRES: i < size(); is_object() for a key.
  [[nodiscard]] bool key(uint64_t i, std::string_view& out) const;
  [[nodiscard]] bool value(uint64_t i, JsonValue& out) const;

 private:
  std::string_view bytes_;
  uint64_t count_ = 0;
  size_t width_ = 2;
  size_t key_entry_ = 0;
  bool is_object_ = false;
};

// Prints values; the same for documents as stored and for trees made of their parts. A false is damage.
class JsonPrinter {
 public:
  // `bytes`: of all documents that values come from. Values do not overlap in a real one, so this bounds the work.
  JsonPrinter(size_t bytes, std::string& out) : out_(out), budget_(bytes * 2 + 16) {}
  [[nodiscard]] bool value(const JsonValue& value, int depth);
  [[nodiscard]] bool string(std::string_view text);
  // Accounts for a container that the caller walks itself.
  [[nodiscard]] bool spend(size_t bytes);
  void raw(std::string_view text) { out_.append(text); }

 private:
  bool container(const JsonValue& value, int depth);
  bool opaque(uint8_t field_type, std::string_view data);
  bool temporal(bool is_date, bool is_time, int64_t packed);

  std::string& out_;
  size_t budget_;
};

}  // namespace tailrace
