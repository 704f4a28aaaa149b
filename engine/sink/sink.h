// Sink: where changes go. One object, one thread at a time (the pipeline's delivery thread); acknowledgements may
// come from any thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/registry.h"
#include "base/status.h"
#include "event/event_batch.h"
#include "format/serializer.h"

namespace tailrace {

struct SinkCaps {
  bool has_topics = false;          // tells the Serializer of each, and sends its marks of transactions
  bool wants_records = false;       // messages made by a Serializer; else rows
  bool owns_checkpoint = false;     // writes the checkpoint in the data's own transaction
  bool detects_collisions = false;  // notices two source rows that meet in one key of a merged table
  bool asynchronous = false;        // acknowledges on its own, without flush
};

// Told when batches are durable. Thread-safe; may be called from inside write and flush.
class AckReceiver {
 public:
  virtual ~AckReceiver() = default;
  virtual void acknowledged(uint64_t sequence) = 0;  // this batch is durable; any order
  virtual void failed(Status status) = 0;            // first failure wins, the pipeline stops
};

struct SinkContext {
  // Keeps an event, with why, instead of delivering it. Durable on return; the same one twice is kept once.
  using SetAside = std::function<Status(const Status& why, const EventBatch& batch, const ChangeEvent& event)>;

  std::string job_id;                      // UUID of the job, kept with a stored checkpoint
  bool job_has_started = false;            // the job file says it delivered before: the sink must know it too
  const Serializer* serializer = nullptr;  // set if the sink wants records; outlives it
  SetAside set_aside = nullptr;            // for events with a table; null = there is no place for them
};

// One batch on its way out. `checkpoint` is set when a checkpoint may stand after it.
struct LaneBatch {
  const EventBatch* events;
  std::optional<Checkpoint> checkpoint;
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual SinkCaps caps() const = 0;
  virtual Status open(const SinkContext& context, AckReceiver& acks) = 0;
  // The checkpoint kept by a sink that owns it. After open.
  virtual Result<std::optional<Checkpoint>> stored_checkpoint() { return std::optional<Checkpoint>(); }
  // Takes the batch over before it returns (copies or writes what it needs); durable only after acknowledged(sequence).
  // Waits when its own buffers are full; returns JOB-0007 when stop is requested.
  virtual Status write(const LaneBatch& batch, std::stop_token stop) = 0;
  // Makes every earlier write durable and acknowledged, or fails.
  virtual Status flush(std::stop_token stop) = 0;
  // Gives up quickly (≤ 0.5 s), dropping what is not yet durable; a waiting open, write or flush returns soon. Any
  // thread, at any time, more than once.
  virtual void abandon() noexcept {}
};

// create(options, url): option values come from the sink's table of options.
using SinkInfo = PluginInfo<Sink, const Url&>;

}  // namespace tailrace
