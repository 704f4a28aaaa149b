// KafkaDeliveries: which batches have all their messages delivered. Batches are acknowledged in the order they were
// begun, each when every message of it was reported delivered. Thread-safe: written by the delivery thread of the
// pipeline, answered by the sink's polling thread.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>

#include "event/schema.h"
#include "sink/sink.h"

namespace tailrace {

class KafkaDeliveries {
 public:
  struct Batch;
  // What a message carries through the client library: its batch, and its table for the error if it fails.
  // Lives until the batch is acknowledged, that is at least as long as any of its messages.
  struct Origin {
    Batch* batch;
    std::string table;
  };
  struct Batch {
    uint64_t sequence = 0;  // 0: the checkpoint of a transaction, which is no batch of the pipeline
    bool is_checkpoint() const noexcept { return sequence == 0; }
    std::atomic<uint64_t> open{1};                             // messages not yet reported, and one until the batch is sealed
    bool done = false;                                         // under list_mutex_
    std::deque<Origin> origins;                                // touched by the delivery thread alone until sealed
    std::unordered_map<const TableSchema*, Origin*> by_table;  // pointers of the batch being written; cleared by seal
    const TableSchema* last_table = nullptr;
    Origin* last_origin = nullptr;
  };

  explicit KafkaDeliveries(AckReceiver& acks) : acks_(acks) {}

  Batch* begin(uint64_t sequence);
  Origin* origin(Batch* batch, const TableSchema* table);
  void sent(Batch* batch) noexcept { batch->open.fetch_add(1, std::memory_order_relaxed); }
  // No more messages will be sent for it; a batch without any is then done.
  void seal(Batch* batch);
  void delivered(Batch* batch);
  // Takes back a `sent` whose message the client did not accept.
  void not_sent(Batch* batch) noexcept { batch->open.fetch_sub(1, std::memory_order_relaxed); }
  // The first failure is told to the receiver, later ones are dropped.
  void fail(Status status);
  Status failure() const;
  bool has_failed() const noexcept { return has_failed_.load(std::memory_order_acquire); }
  // True when every batch is acknowledged; waits at most `milliseconds`, less on failure or stop.
  bool wait_until_empty(int milliseconds, const std::stop_token& stop);

 private:
  void finish_one(Batch* batch);

  AckReceiver& acks_;
  std::mutex ack_mutex_;           // held while the receiver is called, so that order is kept; taken before list_mutex_
  mutable std::mutex list_mutex_;  // never held while the receiver is called
  std::condition_variable_any emptied_;
  std::deque<std::unique_ptr<Batch>> batches_;
  std::atomic<bool> has_failed_{false};
  Status failure_;
};

}  // namespace tailrace
