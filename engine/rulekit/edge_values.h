// Values at the edges of a column's type, as literals of case files.
#pragma once
#include <string>
#include <vector>

#include "event/schema.h"

namespace tailrace {

std::string plain_value(const Column& column);
// Smallest, largest, empty, longest, zero dates; without NULL.
std::vector<std::string> edge_values(const Column& column);

}  // namespace tailrace
