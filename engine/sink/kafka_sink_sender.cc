#include "sink/kafka_sink_sender.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>

namespace tailrace {

struct KafkaSender::Parts {
  std::vector<rd_kafka_vu_t> list;  // reused
};

KafkaSender::KafkaSender(KafkaProducer& producer, KafkaDeliveries& deliveries, bool has_ids)
    : producer_(producer), deliveries_(deliveries), has_ids_(has_ids), parts_(std::make_unique<Parts>()) {}
KafkaSender::~KafkaSender() = default;

std::string printable_key(std::string_view bytes) {
  std::string out;
  for (char c : bytes.substr(0, 200)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte == 1) {
      out += ' ';  // between the parts of a key
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

Status at_message(Status status, const MessagePlace& place) {
  if (!place.topic.empty()) status = std::move(status).with("topic", std::string(place.topic));
  if (!place.table.empty()) status = std::move(status).with("table", std::string(place.table));
  if (!place.key.empty()) status = std::move(status).with("key", printable_key(place.key));
  return place.position.empty() ? status : std::move(status).with("position", std::string(place.position));
}

std::string_view KafkaSender::id_of(const EventBatch& batch, const ChangeEvent& event) {
  if (event.op == Op::kRead || event.txn >= batch.txns.size()) return {};
  if (id_txn_ != event.txn) {
    id_.assign(batch.txns[event.txn].id).push_back(':');
    id_prefix_ = id_.size();
    id_txn_ = event.txn;
  }
  char digits[32];
  char* end = std::to_chars(digits, digits + 20, event.ordinal).ptr;
  if (event.sub_ordinal != 0) {
    *end++ = '.';
    end = std::to_chars(end, digits + sizeof digits, event.sub_ordinal).ptr;
  }
  id_.resize(id_prefix_);
  id_.append(digits, end);
  return id_;
}

Status KafkaSender::send(const Outgoing& message, const KafkaTopic& topic, int32_t partition, KafkaDeliveries::Batch* pending,
                         const std::stop_token& stop, bool is_tombstone) {
  const auto& [batch, event, record, more_headers, own_id] = message;
  std::span<const MessageHeader> said = event.route ? event.route->headers : std::span<const MessageHeader>();
  parts_->list.resize(7 + said.size() + more_headers.size());
  rd_kafka_vu_t* parts = parts_->list.data();
  size_t n = 0;
  parts[n].vtype = RD_KAFKA_VTYPE_RKT;
  parts[n++].u.rkt = topic.handle;
  parts[n].vtype = RD_KAFKA_VTYPE_PARTITION;
  parts[n++].u.i32 = partition;
  parts[n].vtype = RD_KAFKA_VTYPE_VALUE;
  parts[n].u.mem.ptr = is_tombstone ? nullptr : const_cast<char*>(record.value.data());
  parts[n++].u.mem.size = is_tombstone ? 0 : record.value.size();
  parts[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  parts[n++].u.i = RD_KAFKA_MSG_F_COPY;
  parts[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
  parts[n++].u.ptr = deliveries_.origin(pending, event.table);
  if (record.has_key) {
    parts[n].vtype = RD_KAFKA_VTYPE_KEY;
    parts[n].u.mem.ptr = const_cast<char*>(record.key.data());
    parts[n++].u.mem.size = record.key.size();
  }
  std::string_view id = !has_ids_ ? std::string_view() : own_id.empty() ? id_of(batch, event) : own_id;
  if (!id.empty()) {
    parts[n].vtype = RD_KAFKA_VTYPE_HEADER;
    parts[n].u.header.name = "tailrace.id";
    parts[n].u.header.val = id.data();
    parts[n++].u.header.size = static_cast<ssize_t>(id.size());
  }
  // The client wants names that end in a zero byte.
  header_names_.resize(std::max(header_names_.size(), said.size() + more_headers.size()));
  for (size_t i = 0; i < said.size() + more_headers.size(); ++i) {
    const MessageHeader& header = i < said.size() ? said[i] : more_headers[i - said.size()];
    parts[n].vtype = RD_KAFKA_VTYPE_HEADER;
    parts[n].u.header.name = header_names_[i].assign(header.name).c_str();
    parts[n].u.header.val = header.value.data();
    parts[n++].u.header.size = static_cast<ssize_t>(header.value.size());
  }
  deliveries_.sent(pending);
  while (true) {
    rd_kafka_error_t* error = rd_kafka_produceva(producer_.client(), parts, n);
    if (!error) {
      size_t bytes = (is_tombstone ? 0 : record.value.size()) + (record.has_key ? record.key.size() : 0);
      bytes_ += bytes;
      producer_.pacer().handed(bytes);
      return {};
    }
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    std::string why = rd_kafka_error_string(error);
    rd_kafka_error_destroy(error);
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      deliveries_.not_sent(pending);
      if (deliveries_.has_failed()) return deliveries_.failure();
      const std::string table = event.table ? event.table->qualified_name() : "";
      return at_message(
          Status(undelivered_code(code), fmt::format("message of {} bytes not taken: {}", record.value.size() + record.key.size(), why)),
          {topic.name, table, record.key, id_of(batch, event)});
    }
    producer_.wait_for_room(stop);
    if (stop.stop_requested() || producer_.is_abandoned()) {
      deliveries_.not_sent(pending);
      return Status(ErrorCode::kJobAborted, "while waiting for the broker to take messages");
    }
    if (deliveries_.has_failed()) {
      deliveries_.not_sent(pending);
      return deliveries_.failure();
    }
  }
}

}  // namespace tailrace
