// Internal to app: the tables of built-in plug-ins and what makes endpoints from configurations.
#pragma once
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "app/wire.h"
#include "format/message_format.h"

namespace tailrace {

std::span<const SourceInfo* const> builtin_sources();  // engine/source/builtin.cc
std::span<const SinkInfo* const> builtin_sinks();      // engine/sink/builtin.cc
std::span<const FormatInfo* const> builtin_formats();  // engine/format/builtin.cc

Result<std::unique_ptr<Source>> make_source(const EndpointConfig& config, const SourceContext& context);
Result<std::unique_ptr<Sink>> make_sink(const EndpointConfig& config, std::string_view format, std::unique_ptr<Serializer>& serializer);

// Schema history of a stream without a job file: forgotten with the process.
class MemorySchemaStore final : public SchemaStore {
 public:
  Status append(const std::vector<Entry>& entries) override {
    std::lock_guard lock(mutex_);
    entries_.insert(entries_.end(), entries.begin(), entries.end());
    return {};
  }
  Result<std::vector<Entry>> load_all() override {
    std::lock_guard lock(mutex_);
    return entries_;
  }

 private:
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace tailrace
