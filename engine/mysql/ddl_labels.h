// Labels of ENUM and SET as the servers make, keep and show them. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace {

// As the servers escape a label in COLUMN_TYPE, with its quotes.
std::string quoted_label(std::string_view label);
// What a character set makes of a label that is written into it: characters it does not have become question marks.
std::string representable_label(std::string_view label, uint16_t collation);

// Is it one that convert_labels found to be no text?
bool is_lost_label(std::string_view label) noexcept;

struct ConvertedLabels {
  std::vector<std::string> labels;  // UTF-8; U+FFFD for what is no text in the new character set
  std::vector<std::string> shown;   // as the catalogue shows them
};
// CONVERT TO CHARACTER SET over labels: the servers keep their bytes, which from then on are of the other character set.
// Empty where the bytes are not known, as those of a label that was no text before.
std::optional<ConvertedLabels> convert_labels(const std::vector<std::string>& labels, uint16_t from, uint16_t to, bool is_mariadb);

}  // namespace tailrace
