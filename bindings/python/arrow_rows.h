// Change events to Arrow columns: the one copying transposition between a batch and whoever reads Arrow.
// Pure functions, called without the GIL. The result owns its memory.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "event/event_batch.h"
#include "job/job.h"  // QueryTable
#include "python/arrow_table.h"

namespace tailrace::python {

// The rows of one table with one schema: _op, _commit_time, _txn, _seq, then the table's columns; a delete shows the
// image before it. `_present` (a bit per column) is added when an image is partial, `_raw` when a value has no Arrow
// form (a zero or partial date; the column is null then). REQUIRES: events of `schema` with a row image.
Result<std::shared_ptr<const ArrowTable>> rows_to_arrow(const EventBatch& batch, const TableSchema& schema,
                                                        std::span<const ChangeEvent* const> events);
// One column; a value without an Arrow form is null. `as_text`: the canonical text of each value. REQUIRES: none absent.
Result<std::shared_ptr<const ArrowTable>> cells_to_arrow(const Column& column, std::span<const Value* const> cells, bool as_text);
// All events but heartbeats, one line each, images as JSON text.
Result<std::shared_ptr<const ArrowTable>> changes_to_arrow(const EventBatch& batch);
// A query's result; a column of mixed types becomes text.
Result<std::shared_ptr<const ArrowTable>> query_to_arrow(const QueryTable& table);

}  // namespace tailrace::python
