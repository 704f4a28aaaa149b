// Serializer: turns change events into messages. Stateless and const: one instance is shared by all workers.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"

namespace tailrace {

// Strings are reused between events: encode clears and refills them.
struct Record {
  std::string key, value;
  bool has_key = false;
  bool tombstone = false;  // a message with this key and no value follows
  bool skip = false;       // the format has no message for this event (e.g. DDL in Debezium)
};

enum class TransactionMark : uint8_t { kBegin, kEnd };

// Whether the message is left to the sink's format: the rules neither made it themselves nor chose another one.
inline bool is_of_sinks_format(const ChangeEvent& event) noexcept {
  return !(event.route && event.route->has_payload) && (!event.output || event.output->format.empty());
}

class Serializer {
 public:
  virtual ~Serializer() = default;
  virtual Status encode(const EventBatch& batch, const ChangeEvent& event, Record& out) const = 0;

  // Whether begin_topic must be called: a sink without topics cannot have such a format.
  virtual bool wants_topics() const { return false; }
  // Before the first record to a topic is sent: `first` is that record, of this event, and may be completed. True when it need not be
  // called for the topic again. May block, until `is_over` says to give up (JOB-0007).
  virtual Result<bool> begin_topic(std::string_view /*topic*/, const ChangeEvent& /*event*/, Record& /*first*/,
                                   const std::function<bool()>& /*is_over*/) const {
    return true;
  }

  // Whether messages say where the source's transactions begin and end, made by encode_mark; `txn` is an index into the batch's.
  virtual bool marks_transactions() const { return false; }
  virtual Status encode_mark(const EventBatch& /*batch*/, uint32_t /*txn*/, TransactionMark /*mark*/, Record& out) const {
    out.skip = true;
    return {};
  }
};

}  // namespace tailrace
