// SnapshotKey: where a walk over a table by its key stands. Kept as JSON text between chunks and between runs of a
// job; written into SQL as typed literals, so that the server compares exactly what it stores.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/schema.h"
#include "event/value.h"
#include "mysql/schema_reader.h"

namespace tailrace {

class SnapshotKey {
 public:
  // `raw[i]`: bytes of the i-th key column in its own character set, for those where `needs_raw`; else ignored.
  static SnapshotKey of_row(const TableSchema& schema, Row row, const std::vector<std::string>& raw);
  // Fails with kSchemaMismatch when the text belongs to another key, kConfigBadValue when it is not such a text.
  static Result<SnapshotKey> parse(const TableSchema& schema, std::string_view json);
  static bool needs_raw(const Column& column) noexcept { return column.kind == Kind::kText && column.charset != 0; }

  std::string json(const TableSchema& schema) const;
  // The condition "behind this key" in the order of the key. Fails with kSchemaType for a collation without a name.
  Result<std::string> condition(const TableSchema& schema, const CollationNames& names) const;

 private:
  std::vector<std::string> parts_;  // canonical text; hex for text and bytes
};

}  // namespace tailrace
