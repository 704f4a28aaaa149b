// The key of a record: the values of the table's key columns as text, joined by U+0001. Integers and text as they
// are, everything else as the `default` format writes it in a change (BIT without leading zero bytes), so that one
// row has one key in every format, in the snapshot and in the stream.
#pragma once
#include <string>

#include "base/status.h"
#include "event/event_batch.h"
#include "format/serializer.h"

namespace tailrace {

// Appends. FMT-0001 when a key column is absent from the row or has no text. REQUIRES: the table has a key.
Status append_key(const TableSchema& table, Row row, std::string& out);
// The row that says where the record goes: of an update the image before it, so that the record follows the
// earlier changes of that row.
Row routing_row(const ChangeEvent& event) noexcept;
// True when an update changed the key.
bool key_changes(const ChangeEvent& event) noexcept;
// Key and flags of a record, before its value is written. `is_row`: the event is one of rows.
Status begin_record(const EventBatch& batch, const ChangeEvent& event, bool is_row, Record& out);
// Appends the key as messages show it: of an update the key after it, parts that the image leaves out taken from before.
// REQUIRES: out of begin_record has a key.
Status append_shown_key(const ChangeEvent& event, const Record& out, std::string& text);
// Whether the event is about rows of a table.
bool is_row_event(const ChangeEvent& event) noexcept;
bool is_ddl_event(const ChangeEvent& event) noexcept;
// The error of a value that a format cannot write, with its place.
Status unwritable(const EventBatch& batch, const ChangeEvent& event, size_t column, std::string why);

}  // namespace tailrace
