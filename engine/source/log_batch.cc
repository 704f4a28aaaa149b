// Decoding of the batches that BinlogAssembler makes.
#include <fmt/format.h>

#include "source/log_assembler.h"

namespace tailrace {
namespace {

// The rows of a compressed event, unpacked into the batch's own memory.
Status unpack_rows(RowsEvent& event, EventBatch& out) {
  std::string rows;
  if (!unpack_event_part(event.rows, rows)) {
    return Status(ErrorCode::kSourceCorrupt, "a compressed rows event cannot be unpacked");
  }
  event.rows = {out.arena.copy(rows), rows.size()};
  return Status();
}

}  // namespace

Status decode_binlog_batch(const BinlogRawBatch& in, EventBatch& out, InvalidText invalid_text) {
  out.sequence = in.sequence;
  out.boundary = in.boundary;
  out.txns = in.txns;
  out.keep_bytes(in.buffer, in.buffer->bytes());
  RowsDecoder decoder(invalid_text);
  uint64_t ordinal = in.first_ordinal;
  uint32_t txn = 0;
  for (const BinlogRawBatch::Item& item : in.items) {
    if (item.txn != txn) {
      txn = item.txn;
      ordinal = 0;
    }
    auto placed = [&](Status status) {
      return std::move(status).with("position", fmt::format("{}:{}", in.file, item.offset)).with("gtid", in.txns[txn].id);
    };
    if (item.type == 0) {
      ChangeEvent& event = out.events.emplace_back();
      event.op = item.op;
      event.ddl_kinds = item.ddl_kinds;
      event.txn = txn;
      event.ordinal = ordinal++;
      event.table = out.keep(item.table);
      event.sql = item.body;
      if (item.new_schema) {
        out.keep(item.new_schema);
        event.new_schema = &out.schemas.back();
      }
      continue;
    }
    out.keep(item.plan->schema);
    auto event = parse_rows_event(item.type, item.body, *in.format);
    if (!event.ok()) return placed(std::move(event).status());
    event->lacking = item.lacking;
    if (is_compressed_rows_event(item.type)) {
      Status status = unpack_rows(*event, out);
      if (!status.ok()) return placed(std::move(status));
    }
    Status status = decoder.decode(*item.plan, *event, txn, ordinal, out);
    if (!status.ok()) return placed(std::move(status));
  }
  return Status();
}

}  // namespace tailrace
