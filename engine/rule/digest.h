// SHA-256 and HMAC-SHA-256 as 64 lower-case hex digits.
#pragma once
#include <string>
#include <string_view>

namespace tailrace {

std::string sha256_hex(std::string_view data);
std::string hmac_sha256_hex(std::string_view key, std::string_view data);

}  // namespace tailrace
