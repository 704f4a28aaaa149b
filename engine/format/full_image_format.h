// The messages of Default and DefaultExtendColumnType: full images before and after, with metadata. See docs/formats.md.
#pragma once
#include <string>

#include "format/message_format.h"
#include "format/table_plan.h"

namespace tailrace {

struct FullImageOptions {
  std::string db_type = "MYSQL";
  std::string tenant;           // put before the database name; "" = none
  std::string source_identity;  // "" = null
  bool sequence_enabled = true;
  bool column_types = false;  // DefaultExtendColumnType
};

class FullImageFormat final : public MessageFormat {
 public:
  explicit FullImageFormat(FullImageOptions options);
  // From the options of the two plug-ins.
  static Result<std::unique_ptr<MessageFormat>> create(const Options& options, bool column_types);
  Status write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const override;

 private:
  TablePlan make_plan(const TableSchema& table) const;
  Status write_metadata(class JsonWriter& json, const TablePlan* plan, const EventBatch& batch, const ChangeEvent& event,
                        const EventMeta& meta, const Record& out) const;

  const FullImageOptions options_;
  const std::string db_type_;  // as a JSON string
  PlanCache plans_;
};

inline constexpr OptionSpec kFullImageOptions[] = {
    {"db_type", "string", "MYSQL", "dbType of the metadata"},
    {"tenant", "string", "", "put before the database name, as tenant.database"},
    {"source_identity", "string", "", "source_identity of the metadata; null when empty"},
    {"sequence_enabled", "bool", "true", "whether storeDataSequence is written"},
};

}  // namespace tailrace
