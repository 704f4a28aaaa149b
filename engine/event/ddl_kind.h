// DdlKind: what a statement does to one table, as rules and people name it. A statement may do several things at once,
// so sets of kinds are bit masks: 1 << kind.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace tailrace {

enum class DdlKind : uint8_t {
  kCreateTable,
  kDropTable,
  kRenameTable,
  kTruncate,
  kDropDatabase,
  kAddColumn,
  kDropColumn,
  kModifyColumn,
  kRenameColumn,
  kAddIndex,
  kDropIndex,
  kOther
};

constexpr std::array<std::string_view, 12> kDdlKindNames{"create_table",  "drop_table", "rename_table", "truncate",
                                                         "drop_database", "add_column", "drop_column",  "modify_column",
                                                         "rename_column", "add_index",  "drop_index",   "other"};
static_assert(kDdlKindNames.size() == static_cast<size_t>(DdlKind::kOther) + 1);

constexpr uint32_t ddl_bit(DdlKind kind) noexcept { return 1u << static_cast<unsigned>(kind); }

}  // namespace tailrace
