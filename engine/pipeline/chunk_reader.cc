#include "pipeline/chunk_reader.h"

#include <algorithm>

namespace tailrace {

// A table may have been altered or dropped since it was listed: then its schema is read again, once.
Status ChunkReader::read_into(Chunk& out, const std::string& from) {
  auto read = [&] { return reader_->read_chunk(out.table, from, run_.options.chunk_rows, run_.options.chunk_bytes); };
  auto chunk = read();
  if (!chunk.ok()) {
    ErrorCode code = chunk.status().code();
    if (code != ErrorCode::kSchemaMismatch && code != ErrorCode::kSchemaMissing) return chunk.status();
    TAILRACE_TRY(auto tables, reader_->tables());
    auto now = std::find_if(tables.begin(), tables.end(), [&](const SnapshotTable& t) {
      return t.schema->database == out.table->database && t.schema->table == out.table->table;
    });
    if (now == tables.end()) {
      out.dropped = true;  // the stream tells the rest
      TAILRACE_TRY(out.rows.high, run_.parts.source->current_position());
      out.rows.low = out.rows.high;
      return {};
    }
    if (now->schema->primary_key.empty()) return chunk.status();
    out.table = now->schema;
    chunk = read();
    if (!chunk.ok()) return chunk.status();
  }
  out.rows = std::move(chunk).value();
  return {};
}

Result<ChunkReader::Chunk> ChunkReader::read(const SnapshotTable& table, const std::string& from) {
  if (!reader_) {
    TAILRACE_TRY(reader_, run_.parts.source->snapshot_reader());
  }
  Chunk chunk;
  chunk.table = table.schema;
  TAILRACE_OK(read_into(chunk, from));
  chunk.rows.rows.charge = MemoryCharge(run_.budget, 0);
  chunk.rows.rows.charge.adjust(chunk.rows.rows.bytes());
  return chunk;
}

void ChunkReader::request(const SnapshotTable& table, const std::string& from) {
  if (requested_) return;
  requested_ = true;
  if (!thread_) {
    thread_.emplace([this](std::stop_token stop) { loop(stop); });
  }
  std::lock_guard lock(mutex_);
  work_ = std::make_pair(table, from);
  changed_.notify_all();
}

std::optional<Result<ChunkReader::Chunk>> ChunkReader::take() {
  std::lock_guard lock(mutex_);
  if (!done_) return std::nullopt;
  requested_ = false;
  return std::exchange(done_, std::nullopt);
}

void ChunkReader::loop(std::stop_token stop) {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return work_.has_value(); });
    if (stop.stop_requested()) return;
    auto work = std::move(*work_);
    work_.reset();
    lock.unlock();
    std::optional<Result<Chunk>> result;
    Status status = guarded([&] {
      result = read(work.first, work.second);
      return Status();
    });
    if (!status.ok()) result = Result<Chunk>(std::move(status));
    lock.lock();
    done_ = std::move(result);
  }
}

}  // namespace tailrace
