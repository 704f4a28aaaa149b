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
  bool wants_topics() const override { return format_->wants_topics(); }
  Result<bool> begin_topic(std::string_view topic, const ChangeEvent& event, Record& first,
                           const std::function<bool()>& is_over) const override;
  bool marks_transactions() const override { return format_->marks_transactions(); }
  Status encode_mark(const EventBatch& batch, uint32_t txn, TransactionMark mark, Record& out) const override {
    return format_->encode_mark(batch, txn, mark, out);
  }

 private:
  struct Named {
    const FormatInfo* info;
    std::once_flag once;
    std::unique_ptr<MessageFormat> format;
    Status failure;
  };
  Result<const Serializer*> named(std::string_view name) const;

  std::unique_ptr<Serializer> format_;
  std::vector<std::unique_ptr<Named>> named_;
};

}  // namespace tailrace
