#include "sink/kafka_sink_routes.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

namespace tailrace {
namespace {

constexpr size_t kMaxSaidTopics = 10'000;  // topics that rules may name per row

}  // namespace

static_assert(KafkaRoutes::kByKey == RD_KAFKA_PARTITION_UA);

Result<const KafkaTopic*> KafkaRoutes::topic_of(const ChangeEvent& event, const std::stop_token& stop) {
  const TableSchema* target = event.output && event.output->schema ? event.output->schema.get() : event.table;
  std::string_view ruled = event.output ? std::string_view(event.output->topic) : std::string_view();
  if (!target) return Status(ErrorCode::kInternal, "an event without a table has no topic");
  if (event.route && !event.route->topic.empty()) return said_topic(event, *target, stop);
  if (last_route_ && last_route_id_ == target->schema_id && last_route_->topic == ruled) return last_route_->to;
  auto it = routes_.find(target->schema_id);
  if (it == routes_.end() || it->second.topic != ruled) {
    std::string name = render_topic(ruled.empty() ? std::string_view(settings_.topic) : ruled, target->database, target->table);
    Result<const KafkaTopic*> found = topics_.find(name, stop);
    if (!found.ok()) return std::move(found).status().with("table", target->qualified_name());
    it = routes_.insert_or_assign(target->schema_id, Route{std::string(ruled), *found}).first;
  }
  last_route_id_ = target->schema_id;
  last_route_ = &it->second;
  return last_route_->to;
}

// The topic that the rules gave this one event.
Result<const KafkaTopic*> KafkaRoutes::said_topic(const ChangeEvent& event, const TableSchema& target, const std::stop_token& stop) {
  said_topic_.assign(event.route->topic);
  auto known = said_topics_.find(said_topic_);
  if (known != said_topics_.end()) return known->second;
  if (said_topics_.size() >= kMaxSaidTopics) {
    return Status(ErrorCode::kSinkWrite,
                  fmt::format("the rules named {} topics, and now {}: is a template of a column with as many values meant?",
                              said_topics_.size(), said_topic_))
        .with("table", target.qualified_name());
  }
  Result<const KafkaTopic*> found = topics_.find(said_topic_, stop);
  if (!found.ok()) return std::move(found).status().with("table", target.qualified_name());
  said_topics_.emplace(said_topic_, *found);
  return found;
}

Result<std::vector<const KafkaTopic*>> KafkaRoutes::every_topic(const ChangeEvent& event) const {
  auto topics = topics_.known();
  if (!topics.empty()) return topics;
  return Status(ErrorCode::kSinkWrite, fmt::format("a statement names no table, and this run has sent to no topic yet: {}", event.sql));
}

Status KafkaRoutes::learn_limit(const KafkaTopic& topic, size_t size, const std::stop_token& stop) {
  if (topic.has_learnt_limit) return {};
  using Policy = KafkaOversizedSettings::Policy;
  bool makes_smaller = settings_.oversized.policy == Policy::kClaimCheck || settings_.oversized.policy == Policy::kDropColumn;
  if (size > topic.max_bytes && !makes_smaller) return {};  // too large anyway
  return topics_.learn_limit(topic, stop);
}

Result<int32_t> KafkaRoutes::partition_of(const ChangeEvent& event, const Record& record, const KafkaTopic& topic) const {
  auto by_text = [&](std::string_view text) {
    return rd_kafka_msg_partitioner_murmur2(topic.handle, text.data(), text.size(), topic.partitions, nullptr, nullptr);
  };
  switch (settings_.partition) {
    case KafkaSettings::Partition::kOne:
      if (settings_.partition_number < topic.partitions) return settings_.partition_number;
      return Status(ErrorCode::kSinkWrite, fmt::format("sink.partition_number is {}, and the topic has {} partition(s)",
                                                       settings_.partition_number, topic.partitions))
          .with("topic", topic.name);
    case KafkaSettings::Partition::kTable: return event.table ? by_text(event.table->qualified_name()) : kEveryPartition;
    case KafkaSettings::Partition::kHash: break;
  }
  // Every partition holds rows of the table, or of any when the statement names none, so each reader must learn of the change.
  if (event.op == Op::kSchemaChange || event.op == Op::kTruncate) return kEveryPartition;
  if (event.route && !event.route->partition_key.empty()) return by_text(event.route->partition_key);
  if (record.has_key) return RD_KAFKA_PARTITION_UA;
  // No key to keep rows in order by: the whole table stays in one partition.
  return by_text(event.table->qualified_name());
}

}  // namespace tailrace
