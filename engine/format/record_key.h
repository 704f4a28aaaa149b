// The key of a record: the values of the table's key columns as text, joined by U+0001. Integers and text as they
// are, everything else as the `default` format writes it in a change (BIT without leading zero bytes), so that one
// row has one key in every format, in the snapshot and in the stream.
#pragma once
#include <string>

#include "base/status.h"
#include "event/event_batch.h"

namespace tailrace {

// Appends. FMT-0001 when a key column is absent from the row or has no text. REQUIRES: the table has a key.
Status append_key(const TableSchema& table, Row row, std::string& out);
// The row that says where the record goes: of an update the image before it, so that the record follows the
// earlier changes of that row.
Row routing_row(const ChangeEvent& event) noexcept;
// True when an update changed the key.
bool key_changes(const ChangeEvent& event) noexcept;
// The error of a value that a format cannot write, with its place.
Status unwritable(const EventBatch& batch, const ChangeEvent& event, size_t column, std::string why);

}  // namespace tailrace
