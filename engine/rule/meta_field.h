// MetaField: what a rule file may say of a change besides its columns, `meta.gtid` and its like: as new columns and in
// templates. It is of the source: `meta.op` is what happened there.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "event/event_batch.h"

namespace tailrace {

enum class MetaField : uint8_t { kDb, kGtid, kOp, kOrdinal, kPos, kRule, kServerId, kSnapshot, kTable, kTs, kTsUs };

std::optional<MetaField> find_meta(std::string_view name) noexcept;  // "gtid"
std::vector<std::string> meta_names();
// The column it makes: nameless, NULL where the source has nothing to say.
const Column& meta_column(MetaField field);

// The change that the fields are of. Views live as long as the batch and the rule set.
struct MetaSource {
  const EventBatch* batch;
  uint32_t txn;
  uint64_t ordinal;
  Op op;
  const TableSchema* table;
  std::string_view rule;  // version
};
Value meta_value(MetaField field, const MetaSource& source, Arena& arena);

}  // namespace tailrace
