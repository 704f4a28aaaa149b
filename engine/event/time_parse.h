// Canonical text of DATE, TIME, DATETIME, TIMESTAMP back into the payloads of event/value.h. Strict: only the
// canonical forms, with at most the column's number of fraction digits (zeros beyond it are ignored).
#pragma once
#include <cstdint>
#include <string_view>

namespace tailrace {

bool parse_date_text(std::string_view text, uint64_t& out) noexcept;
bool parse_time_text(std::string_view text, unsigned scale, int64_t& out) noexcept;
bool parse_datetime_text(std::string_view text, unsigned scale, uint64_t& out) noexcept;
bool parse_timestamp_text(std::string_view text, unsigned scale, int64_t& out) noexcept;

}  // namespace tailrace
