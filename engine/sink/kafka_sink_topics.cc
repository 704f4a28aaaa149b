#include "sink/kafka_sink_topics.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"

namespace tailrace {
namespace {

using Clock = std::chrono::steady_clock;
// A metadata request cannot be cancelled, so it is asked for in short slices, to notice a stop; in longer ones when
// the line is that slow.
constexpr int kSlicesMs[] = {100, 100, 200, 200, 400, 400, 400, 1000};

Status stopped() { return Status(ErrorCode::kJobAborted, "while waiting for a topic"); }

}  // namespace

Status check_topic_template(std::string_view text) {
  auto bad = [&](std::string why) { return Status(ErrorCode::kConfigBadValue, fmt::format("sink.topic '{}': {}", text, why)); };
  if (text.empty()) return bad("it is empty");
  for (size_t at = 0; (at = text.find_first_of("{}", at)) != std::string_view::npos;) {
    std::string_view rest = text.substr(at);
    if (rest.substr(0, 4) != "{db}" && rest.substr(0, 7) != "{table}") return bad("only {db} and {table} may stand in braces");
    at = text.find('}', at) + 1;
  }
  return {};
}

std::string render_topic(std::string_view text, std::string_view database, std::string_view table) {
  std::string out;
  while (!text.empty()) {
    if (text.substr(0, 4) == "{db}") {
      out += database;
      text.remove_prefix(4);
    } else if (text.substr(0, 7) == "{table}") {
      out += table;
      text.remove_prefix(7);
    } else {
      out += text[0];
      text.remove_prefix(1);
    }
  }
  return out;
}

Status check_topic_name(std::string_view name) {
  auto bad = [&](std::string_view why) {
    return Status(ErrorCode::kSinkWrite,
                  fmt::format("'{}' cannot be the name of a topic: {}; give `topic` in the rule or the sink", name, why))
        .with("topic", std::string(name));
  };
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  if (name.empty()) return bad("it is empty");
  if (name.size() > 249) return bad("it is longer than 249 characters");
  if (name == "." || name == "..") return bad("it is reserved");
  if (name == "__consumer_offsets" || name == "__transaction_state" || name == "__cluster_metadata") return bad("it is Kafka's own");
  if (!std::all_of(name.begin(), name.end(), allowed)) return bad("only letters, digits, '.', '_' and '-' are allowed");
  return {};
}

std::string KafkaTopic::limit_text() const {
  return is_limited_by_broker ? fmt::format("the topic takes {} (its max.message.bytes)", max_bytes)
                              : fmt::format("sink.max_message_bytes is {}", max_bytes);
}

KafkaTopics::~KafkaTopics() {
  for (auto& [name, topic] : topics_) rd_kafka_topic_destroy(topic->handle);
}

Result<KafkaTopics::Look> KafkaTopics::look(const KafkaTopic& topic, int timeout_ms) {
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_resp_err_t error = rd_kafka_metadata(client_, 0, topic.handle, &metadata, timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Look{Presence::kUnknown, 0};
  Look look{Presence::kUnknown, 0};
  rd_kafka_resp_err_t topic_error = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (metadata->topic_cnt == 1) {
    topic_error = metadata->topics[0].err;
    if (topic_error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics[0].partition_cnt > 0) {
      look = {Presence::kReady, metadata->topics[0].partition_cnt};
    } else if (topic_error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      look.presence = Presence::kMissing;
    }
  }
  rd_kafka_metadata_destroy(metadata);
  if (topic_error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
    return Status(ErrorCode::kSinkWrite,
                  fmt::format("the broker does not tell this user of the topic: {}; it needs DESCRIBE (WRITE includes it) on the topic",
                              rd_kafka_err2str(topic_error)))
        .with("topic", topic.name);
  }
  if (topic_error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
    return Status(ErrorCode::kSinkWrite, fmt::format("the broker refuses the topic: {}", rd_kafka_err2str(topic_error)))
        .with("topic", topic.name);
  }
  return look;
}

Status KafkaTopics::create(const std::string& name, const std::stop_token& stop) {
  char text[512];
  std::unique_ptr<rd_kafka_NewTopic_t, decltype(&rd_kafka_NewTopic_destroy)> wanted(
      rd_kafka_NewTopic_new(name.c_str(), settings_.partitions, settings_.replication, text, sizeof text), &rd_kafka_NewTopic_destroy);
  for (const auto& [name_of, value] : settings_.config) {
    if (wanted) rd_kafka_NewTopic_set_config(wanted.get(), name_of.c_str(), value.c_str());
  }
  if (!wanted) return Status(ErrorCode::kSinkWrite, fmt::format("the topic cannot be described: {}", text)).with("topic", name);
  std::unique_ptr<rd_kafka_AdminOptions_t, decltype(&rd_kafka_AdminOptions_destroy)> options(
      rd_kafka_AdminOptions_new(client_, RD_KAFKA_ADMIN_OP_CREATETOPICS), &rd_kafka_AdminOptions_destroy);
  std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> answers(rd_kafka_queue_new(client_), &rd_kafka_queue_destroy);
  rd_kafka_NewTopic_t* list[] = {wanted.get()};
  rd_kafka_CreateTopics(client_, list, 1, options.get(), answers.get());
  while (true) {
    if (stop.stop_requested()) return stopped();
    std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> event(rd_kafka_queue_poll(answers.get(), 50),
                                                                               &rd_kafka_event_destroy);
    if (!event || rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_CREATETOPICS_RESULT) continue;
    rd_kafka_resp_err_t error = rd_kafka_event_error(event.get());
    std::string why = error ? rd_kafka_event_error_string(event.get()) : "";
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      size_t count = 0;
      const rd_kafka_topic_result_t** results =
          rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
      if (count == 1) {
        error = rd_kafka_topic_result_error(results[0]);
        if (const char* detail = rd_kafka_topic_result_error_string(results[0])) why = detail;
      }
    }
    switch (error) {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        log(LogLevel::kInfo, fmt::format("kafka: created topic {} with {} partition(s)", name, settings_.partitions));
        return {};
      case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
      case RD_KAFKA_RESP_ERR__TIMED_OUT:  // these are outages: the caller looks again and asks again
      case RD_KAFKA_RESP_ERR__TRANSPORT:
      case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
      case RD_KAFKA_RESP_ERR_NOT_CONTROLLER: return {};
      default: {
        bool no_right = error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
        return Status(ErrorCode::kSinkWrite,
                      fmt::format("the topic cannot be created: {}{}", why.empty() ? rd_kafka_err2str(error) : why.c_str(),
                                  no_right ? "; the user needs CREATE on the topic or the cluster, or make the topic beforehand" : ""))
            .with("topic", name);
      }
    }
  }
}

Status KafkaTopics::learn_limit(const KafkaTopic& known, const std::stop_token& stop) {
  KafkaTopic& topic = *topics_.at(known.name);
  if (std::exchange(topic.has_learnt_limit, true)) return {};
  std::unique_ptr<rd_kafka_ConfigResource_t, decltype(&rd_kafka_ConfigResource_destroy)> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.name.c_str()), &rd_kafka_ConfigResource_destroy);
  std::unique_ptr<rd_kafka_AdminOptions_t, decltype(&rd_kafka_AdminOptions_destroy)> options(
      rd_kafka_AdminOptions_new(client_, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS), &rd_kafka_AdminOptions_destroy);
  char text[512];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), 5000, text, sizeof text);
  std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> answers(rd_kafka_queue_new(client_), &rd_kafka_queue_destroy);
  rd_kafka_ConfigResource_t* list[] = {resource.get()};
  rd_kafka_DescribeConfigs(client_, list, 1, options.get(), answers.get());
  std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> event(nullptr, &rd_kafka_event_destroy);
  while (!event || rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT) {
    if (stop.stop_requested()) return stopped();
    event.reset(rd_kafka_queue_poll(answers.get(), 50));
  }
  auto silent = [&](const char* why) {
    log(LogLevel::kInfo, fmt::format("kafka: max.message.bytes of topic {} is not known: {}", topic.name, why));
    return Status();
  };
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return silent(rd_kafka_event_error_string(event.get()));
  size_t count = 0;
  const rd_kafka_ConfigResource_t** found =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  if (count != 1) return silent("the answer is empty");
  if (rd_kafka_ConfigResource_error(found[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) return silent(rd_kafka_ConfigResource_error_string(found[0]));
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(found[0], &count);
  for (size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    if (!value || std::string_view(rd_kafka_ConfigEntry_name(entries[i])) != "max.message.bytes") continue;
    size_t limit = std::strtoull(value, nullptr, 10);
    if (limit < settings_.max_batch_bytes) {
      return Status(ErrorCode::kSinkTooLarge,
                    fmt::format("the topic takes batches of {} bytes (its max.message.bytes), and sink.max_batch_bytes is {}: "
                                "set it to {} or less",
                                limit, settings_.max_batch_bytes, limit))
          .with("topic", topic.name);
    }
    topic.is_limited_by_broker = limit < topic.max_bytes;
    topic.max_bytes = std::min(limit, topic.max_bytes);
  }
  return {};
}

std::vector<const KafkaTopic*> KafkaTopics::known() const {
  std::vector<const KafkaTopic*> out;
  for (const auto& [name, topic] : topics_) out.push_back(topic.get());
  return out;
}

Result<const KafkaTopic*> KafkaTopics::find(const std::string& name, const std::stop_token& stop) {
  if (auto it = topics_.find(name); it != topics_.end()) return it->second.get();
  TAILRACE_OK(check_topic_name(name));
  auto topic = std::make_unique<KafkaTopic>();
  topic->name = name;
  topic->max_bytes = settings_.max_message_bytes;
  topic->handle = rd_kafka_topic_new(client_, name.c_str(), nullptr);
  if (!topic->handle) {
    return Status(ErrorCode::kSinkWrite, fmt::format("no handle for the topic: {}", rd_kafka_err2str(rd_kafka_last_error())))
        .with("topic", name);
  }
  std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)> handle(topic->handle, &rd_kafka_topic_destroy);
  std::optional<Clock::time_point> created;
  for (size_t round = 0;; ++round) {
    if (stop.stop_requested()) return stopped();
    TAILRACE_TRY(Look seen, look(*topic, kSlicesMs[std::min(round, std::size(kSlicesMs) - 1)]));
    if (seen.presence == Presence::kReady) {
      topic->partitions = seen.partitions;
      break;
    }
    if (seen.presence == Presence::kMissing) {
      if (!settings_.create) {
        return Status(ErrorCode::kSinkWrite, "the topic does not exist, and create_topics is off").with("topic", name);
      }
      if (created && Clock::now() - *created > settings_.patience) {
        return Status(ErrorCode::kSinkWrite, "the topic was created but does not appear").with("topic", name);
      }
      if (!created) {
        TAILRACE_OK(create(name, stop));
        created = Clock::now();
        continue;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the client answers some failures at once
  }
  handle.release();
  return topics_.emplace(name, std::move(topic)).first->second.get();
}

}  // namespace tailrace
