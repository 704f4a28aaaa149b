// Collations by name, for both families. Pure; thread-safe.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace {

// MySQL and MariaDB give one number to five Croatian collations of different name.
// 0 when there is no collation of that name. "utf8_…" is "utf8mb3_…".
uint16_t collation_by_name(std::string_view name, bool is_mariadb);
// As information_schema prints it; "" for a number that is not known.
std::string collation_name(uint16_t id, bool is_mariadb);
// The part of the name before the first '_'; "" for a number that is not known.
std::string charset_name_of_collation(uint16_t id);
// The collation that BINARY behind a character type asks for; 0 when the character set is not known.
uint16_t binary_collation(std::string_view charset, bool is_mariadb);

}  // namespace tailrace
