// Collations a row filter can compare by, exactly as the server does. Text is UTF-8 here whatever the column's character
// set. Immutable, static; thread-safe.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace {

struct WhereCollation {
  enum class Order : uint8_t { kBytes, kAsciiCi, kGeneralCi, kUca900 };
  uint16_t id;
  std::string_view name;
  Order order;
  bool pads;  // PAD SPACE: trailing blanks do not count
};

// By the number of Column::charset; null when it is not among those that are compared.
const WhereCollation* where_collation(uint16_t id) noexcept;
const WhereCollation* where_collation(std::string_view name) noexcept;
// Texts without a column beside them are compared by this one, MySQL's own default.
const WhereCollation& default_where_collation() noexcept;
// "latin1_swedish_ci", or its number: for errors.
std::string describe_collation(uint16_t id);
// "binary, ascii_bin, …".
std::string where_collation_names();

// -1, 0, 1.
int compare_text(const WhereCollation& collation, std::string_view a, std::string_view b) noexcept;
// LIKE. `escape` 0: none.
bool like_text(const WhereCollation& collation, std::string_view text, std::string_view pattern, char escape) noexcept;

// One character of well-formed UTF-8; a byte that begins none is taken for itself.
uint32_t next_character(std::string_view text, size_t& at) noexcept;
size_t count_characters(std::string_view text) noexcept;
std::string_view first_characters(std::string_view text, size_t n) noexcept;

}  // namespace tailrace
