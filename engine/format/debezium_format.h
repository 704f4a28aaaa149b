// The `debezium` format: change envelope with before, after, source, op and ts_ms. See docs/formats.md.
#pragma once
#include <string>

#include "format/event_meta.h"
#include "format/serializer.h"
#include "format/table_plan.h"

namespace tailrace {

struct DebeziumFormatOptions {
  std::string db_type = "MYSQL";  // source.connector
  std::string version;            // source.version
  std::string name = "OMS";       // source.name
  bool include_schema = false;
};

// Thread-safe.
class DebeziumFormat final : public Serializer {
 public:
  explicit DebeziumFormat(DebeziumFormatOptions options);
  Status encode(const EventBatch& batch, const ChangeEvent& event, Record& out) const override;
  // The same with the metadata given.
  Status write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const;

 private:
  TablePlan make_plan(const TableSchema& table) const;

  const DebeziumFormatOptions options_;
  const std::string source_;  // ,"source":{"version":…,"connector":…,"name":…
  PlanCache plans_;
};

}  // namespace tailrace
