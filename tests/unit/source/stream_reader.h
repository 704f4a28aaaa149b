// Reads a source to a target position and keeps all events, for tests.
#pragma once
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "source/source.h"

namespace tailrace::test {

// Batches read from `source` until `target` is reached (or the end of a file source).
inline std::vector<std::unique_ptr<EventBatch>> read_all(Source& source, const Position* target, size_t max_bytes = 256 * 1024) {
  std::vector<std::unique_ptr<EventBatch>> out;
  std::stop_source stop;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (std::chrono::steady_clock::now() < deadline) {
    std::unique_ptr<RawBatch> raw;
    auto state = source.read(raw, max_bytes, stop.get_token());
    if (!state.ok()) throw std::runtime_error(state.status().to_string());
    if (raw) {
      auto batch = std::make_unique<EventBatch>();
      Status status = source.decode(*raw, *batch);
      if (!status.ok()) throw std::runtime_error(status.to_string());
      bool done = target && batch->boundary && source.reached(*batch->boundary, *target);
      out.push_back(std::move(batch));
      if (done) return out;
    } else if (*state == ReadState::kEnd) {
      return out;
    }
  }
  throw std::runtime_error("the target position was not reached in time");
}

}  // namespace tailrace::test
