// ChunkReader: reads the chunks of keyed tables one after the other, in the caller's thread or in its own. It holds at
// most one chunk that the delivery thread has not taken. All functions: delivery thread.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "pipeline/run_state.h"

namespace tailrace {

class ChunkReader {
 public:
  struct Chunk {
    SchemaRef table;
    SnapshotChunk rows;
    bool dropped = false;  // the table is gone; no rows
  };
  explicit ChunkReader(RunState& run) : run_(run) {}

  // Reads in the calling thread.
  Result<Chunk> read(const SnapshotTable& table, const std::string& from);
  // Asks the reader thread, unless a request is open already.
  void request(const SnapshotTable& table, const std::string& from);
  // The chunk asked for, when it is there.
  std::optional<Result<Chunk>> take();

 private:
  Status read_into(Chunk& chunk, const std::string& from);
  void loop(std::stop_token stop);

  RunState& run_;
  std::unique_ptr<SnapshotReader> reader_;  // of the thread that reads
  bool requested_ = false;
  std::mutex mutex_;  // guards work_ and done_
  std::condition_variable_any changed_;
  std::optional<std::pair<SnapshotTable, std::string>> work_;
  std::optional<Result<Chunk>> done_;
  std::optional<std::jthread> thread_;  // last: joins before the rest goes
};

}  // namespace tailrace
