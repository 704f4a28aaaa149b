#include "format/avro_subjects.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace tailrace {
namespace {

constexpr std::string_view kRecordName = "com.alibaba.dts.formats.avro.Record";

// The schema that the registry is told.
constexpr std::string_view kSchema =
#include "avro_schema.inc"
    ;

Result<std::vector<std::string>> listed_topics(std::string_view topics) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= topics.size();) {
    size_t end = std::min(topics.find(',', at), topics.size());
    std::string_view topic = topics.substr(at, end - at);
    topic.remove_prefix(std::min(topic.find_first_not_of(' '), topic.size()));
    topic = topic.substr(0, topic.find_last_not_of(' ') + 1);
    if (topic.empty()) return Status(ErrorCode::kConfigBadValue, fmt::format("subject_topics '{}': a name is empty", topics));
    out.emplace_back(topic);
    at = end + 1;
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<AvroSubjects>> AvroSubjects::open(const Options& options) {
  TAILRACE_TRY(SchemaRegistry registry,
               SchemaRegistry::at(options.text("registry"), options.text("registry_password"), options.text("registry_ca")));
  std::unique_ptr<AvroSubjects> out(new AvroSubjects(std::move(registry)));
  const std::string& subject = options.text("subject");
  const std::string& naming = options.text("subject_naming");
  out->naming_ = naming == "topic_name" ? Naming::kTopic : naming == "topic_record_name" ? Naming::kTopicRecord : Naming::kRecord;
  if (out->by_topic() && !subject.empty()) {
    return Status(ErrorCode::kConfigBadValue, fmt::format("subject, subject_naming = {}: one of both expected", naming));
  }
  if (!out->by_topic() && options.has("subject_topics")) {
    return Status(ErrorCode::kConfigBadValue, "subject_topics: it goes with subject_naming = topic_name or topic_record_name");
  }
  if (!out->by_topic()) {
    TAILRACE_OK(out->add(subject.empty() ? std::string(kRecordName) : subject, nullptr));
  } else if (options.has("subject_topics")) {
    TAILRACE_TRY(auto topics, listed_topics(options.text("subject_topics")));
    for (const std::string& topic : topics) TAILRACE_OK(out->add_topic(topic, nullptr));
  }
  return out;
}

Status AvroSubjects::add_topic(std::string_view topic, const std::function<bool()>& is_over) {
  return add(naming_ == Naming::kTopic ? fmt::format("{}-value", topic) : fmt::format("{}-{}", topic, kRecordName), is_over);
}

Status AvroSubjects::add(const std::string& subject, const std::function<bool()>& is_over) {
  TAILRACE_TRY(uint32_t given, registry_.register_schema(subject, kSchema, is_over));
  std::lock_guard lock(mutex_);
  uint32_t known = number_.load(std::memory_order_relaxed);
  if (known != 0 && given != known) {
    return Status(
               ErrorCode::kFormatRegistryRefused,
               fmt::format("gave the schema the numbers {} under {} and {} under {}; one number expected", known, first_, given, subject))
        .with("subject", subject);
  }
  if (known == 0) {
    first_ = subject;
    number_.store(given, std::memory_order_release);
  }
  return {};
}

}  // namespace tailrace
