// The `default` format: full images before and after, with metadata. See docs/formats.md.
#pragma once
#include <string>

#include "format/event_meta.h"
#include "format/serializer.h"
#include "format/table_plan.h"

namespace tailrace {

struct DefaultFormatOptions {
  std::string db_type = "MYSQL";
  std::string tenant;            // put before the database name; "" = none
  std::string source_identity;   // "" = null
  bool sequence_enabled = true;
};

// Thread-safe.
class DefaultFormat final : public Serializer {
 public:
  explicit DefaultFormat(DefaultFormatOptions options);
  Status encode(const EventBatch& batch, const ChangeEvent& event, Record& out) const override;
  // The same with the metadata given.
  Status write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const;

 private:
  TablePlan make_plan(const TableSchema& table) const;

  const DefaultFormatOptions options_;
  const std::string db_type_;  // as a JSON string
  PlanCache plans_;
  mutable SequenceClock sequence_;
};

}  // namespace tailrace
