#include "sink/kafka_sink_deliveries.h"

#include <chrono>

namespace tailrace {

KafkaDeliveries::Batch* KafkaDeliveries::begin(uint64_t sequence) {
  auto batch = std::make_unique<Batch>();
  batch->sequence = sequence;
  std::lock_guard lock(list_mutex_);
  batches_.push_back(std::move(batch));
  return batches_.back().get();
}

KafkaDeliveries::Origin* KafkaDeliveries::origin(Batch* batch, const TableSchema* table) {
  if (batch->last_origin && batch->last_table == table) return batch->last_origin;
  Origin*& known = batch->by_table[table];
  if (!known) known = &batch->origins.emplace_back(Origin{batch, table ? table->qualified_name() : std::string()});
  batch->last_table = table;
  return batch->last_origin = known;
}

void KafkaDeliveries::seal(Batch* batch) {
  batch->by_table.clear();
  batch->last_table = nullptr;
  batch->last_origin = nullptr;
  finish_one(batch);
}

void KafkaDeliveries::delivered(Batch* batch) { finish_one(batch); }

void KafkaDeliveries::finish_one(Batch* batch) {
  if (batch->open.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  std::lock_guard order(ack_mutex_);
  std::unique_lock lock(list_mutex_);
  batch->done = true;
  while (!batches_.empty() && batches_.front()->done) {
    uint64_t sequence = batches_.front()->sequence;
    lock.unlock();
    acks_.acknowledged(sequence);  // before it leaves the list: who waits for the empty list finds all acknowledged
    lock.lock();
    batches_.pop_front();
  }
  lock.unlock();
  emptied_.notify_all();
}

void KafkaDeliveries::fail(Status status) {
  {
    std::lock_guard lock(list_mutex_);
    if (!failure_.ok()) return;
    failure_ = status;
  }
  has_failed_.store(true, std::memory_order_release);
  acks_.failed(std::move(status));
  emptied_.notify_all();
}

Status KafkaDeliveries::failure() const {
  std::lock_guard lock(list_mutex_);
  return failure_;
}

bool KafkaDeliveries::wait_until_empty(int milliseconds, const std::stop_token& stop) {
  std::unique_lock lock(list_mutex_);
  emptied_.wait_for(lock, stop, std::chrono::milliseconds(milliseconds), [&] { return batches_.empty() || !failure_.ok(); });
  return batches_.empty();
}

}  // namespace tailrace
