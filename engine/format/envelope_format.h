// The messages of Debezium, DebeziumFlatten and DebeziumSmt in flavor oms. See docs/formats.md.
#pragma once
#include <memory>
#include <string>

#include "format/message_format.h"
#include "format/table_plan.h"

namespace tailrace {

enum class EnvelopeShape : uint8_t {
  kPayload,  // {"payload": …}, or {"schema": …, "payload": …}
  kFlat,     // what stands in payload
  kRow,      // the row and __deleted
};

struct EnvelopeOptions {
  EnvelopeShape shape = EnvelopeShape::kPayload;
  std::string db_type = "MYSQL";  // source.connector
  std::string version;            // source.version
  std::string name = "OMS";       // source.name
  bool include_schema = false;
};

class EnvelopeFormat final : public MessageFormat {
 public:
  explicit EnvelopeFormat(EnvelopeOptions options);
  // Refuses sources in Oracle mode.
  static Result<std::unique_ptr<MessageFormat>> create(EnvelopeOptions options);
  Status write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const override;

 private:
  TablePlan make_plan(const TableSchema& table) const;
  Status write_payload(class JsonWriter& json, const TablePlan* plan, const EventBatch& batch, const ChangeEvent& event,
                       const EventMeta& meta) const;

  const EnvelopeOptions options_;
  const std::string source_;  // ,"source":{"version":…,"connector":…,"name":…
  PlanCache plans_;
};

}  // namespace tailrace
