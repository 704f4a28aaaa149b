// AvroSubjects: what the schema of the Avro format is called at a registry, and the number it has there. Subjects that are called
// after topics are registered when a topic gets its first record. Thread-safe.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/options.h"
#include "format/schema_registry.h"

namespace tailrace {

class AvroSubjects {
 public:
  // Registers the subjects that are known at the start. CFG-0003 when the options cannot be meant; else as the registry's errors.
  static Result<std::unique_ptr<AvroSubjects>> open(const Options& options);

  bool by_topic() const noexcept { return naming_ != Naming::kRecord; }
  // One for all subjects; 0 while no subject is registered.
  uint32_t number() const noexcept { return number_.load(std::memory_order_acquire); }
  // The topic's subject. JOB-0007 as soon as `is_over` says so.
  Status add_topic(std::string_view topic, const std::function<bool()>& is_over);

 private:
  enum class Naming : uint8_t { kRecord, kTopic, kTopicRecord };
  explicit AvroSubjects(SchemaRegistry registry) : registry_(std::move(registry)) {}
  Status add(const std::string& subject, const std::function<bool()>& is_over);

  const SchemaRegistry registry_;
  Naming naming_ = Naming::kRecord;
  std::mutex mutex_;
  std::string first_;  // subject that gave number_; under mutex_
  std::atomic<uint32_t> number_{0};
};

}  // namespace tailrace
