#include "format/ruled_serializer.h"

#include <fmt/format.h>

#include "format/builtin.h"
#include "format/record_key.h"

namespace tailrace {

RuledSerializer::RuledSerializer(std::unique_ptr<Serializer> format) : format_(std::move(format)) {
  for (const FormatInfo* info : builtin_formats()) {
    auto entry = std::make_unique<Named>();
    entry->info = info;
    named_.push_back(std::move(entry));
  }
}

Status RuledSerializer::encode(const EventBatch& batch, const ChangeEvent& event, Record& out) const {
  const EventRoute* route = event.route;
  if (!route || (!route->has_payload && !route->has_key)) {
    if (!event.output || event.output->format.empty()) return format_->encode(batch, event, out);
    TAILRACE_TRY(const Serializer* format, named(event.output->format));
    return format->encode(batch, event, out);
  }
  if (route->has_payload) {
    out.skip = out.tombstone = false;
    out.value.assign(route->payload);
    out.key.clear();
    out.has_key = !route->has_key && !event.table->primary_key.empty();
    if (out.has_key) TAILRACE_OK(append_key(*event.table, routing_row(event), out.key));
  } else {
    TAILRACE_OK(format_->encode(batch, event, out));
  }
  if (route->has_key) {
    out.key.assign(route->key);
    out.has_key = true;
  }
  return Status();
}

// Messages that are not of the sink's format say nothing about the topic.
Result<bool> RuledSerializer::begin_topic(std::string_view topic, const ChangeEvent& event, Record& first,
                                          const std::function<bool()>& is_over) const {
  return is_of_sinks_format(event) || !wants_topics() ? format_->begin_topic(topic, event, first, is_over) : Result<bool>(false);
}

Result<const Serializer*> RuledSerializer::named(std::string_view name) const {
  for (const auto& entry : named_) {
    if (entry->info->name != name) continue;
    std::call_once(entry->once, [&] {
      auto options = Options::parse("format", entry->info->options, {});
      if (!options.ok()) {
        entry->failure = std::move(options).status();
        return;
      }
      auto made = entry->info->create(*options);
      if (made.ok()) {
        entry->format = std::move(made).value();
      } else {
        entry->failure = std::move(made).status();
      }
    });
    if (!entry->failure.ok()) return entry->failure;
    return static_cast<const Serializer*>(entry->format.get());
  }
  return Status(ErrorCode::kConfigUnknownPlugin, fmt::format("format '{}', which a rule names", name));
}

}  // namespace tailrace
