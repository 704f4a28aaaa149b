// Names of tables by pattern, as users write them in filters and rules: *, ?, [a-z], [!a-z]; case-sensitive.
#pragma once
#include <string_view>

namespace tailrace {

// Shell-like match of one pattern against the whole text. An unclosed '[' stands for itself. '?' and a class match
// one UTF-8 character.
bool glob_match(std::string_view pattern, std::string_view text);
// Has it any of the characters *, ?, [ ?
bool is_glob(std::string_view pattern) noexcept;

}  // namespace tailrace
