// RuledSerializer: the sink's format, but where the rules made a message themselves or chose another format. Shared by all
// workers; formats besides the sink's are made on their first event, with their default options.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "format/message_format.h"

namespace tailrace {

class RuledSerializer final : public Serializer {
 public:
  explicit RuledSerializer(std::unique_ptr<Serializer> format);
  Status encode(const EventBatch& batch, const ChangeEvent& event, Record& out) const override;

 private:
  struct Named {
    const FormatInfo* info;
    std::once_flag once;
    std::unique_ptr<Serializer> format;
    Status failure;
  };
  Result<const Serializer*> named(std::string_view name) const;

  std::unique_ptr<Serializer> format_;
  std::vector<std::unique_ptr<Named>> named_;
};

}  // namespace tailrace
