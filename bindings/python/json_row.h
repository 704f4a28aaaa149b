// Row images as canonical JSON text, for the envelope of a batch.
#pragma once
#include <string>

#include "base/status.h"
#include "event/schema.h"
#include "event/value.h"

namespace tailrace::python {

// Appends {"column":value,…} in column order. Numbers, YEAR and BIT are JSON numbers, DECIMAL is a string with its
// digits, bytes and geometry are base64, JSON columns stand as they are, all else is its canonical text. Columns that
// are not in the image are left out. `only` names the columns to write; null = all.
Status append_json_row(const TableSchema& schema, Row row, const std::vector<uint16_t>* only, std::string& out);

}  // namespace tailrace::python
