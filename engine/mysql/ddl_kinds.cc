#include "mysql/ddl_kinds.h"

#include <algorithm>

#include "event/ddl_kind.h"

namespace tailrace {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return fold(x) == fold(y); });
}

uint32_t kinds_of(const TableItem& item) {
  switch (item.verb) {
    case TableItem::Verb::kAddColumn: {
      bool is_key = item.column.primary || item.column.unique;
      return ddl_bit(DdlKind::kAddColumn) | (is_key ? ddl_bit(DdlKind::kAddIndex) : 0);
    }
    case TableItem::Verb::kChangeColumn:
      return ddl_bit(DdlKind::kModifyColumn) | (same_name(item.name, item.column.name) ? 0 : ddl_bit(DdlKind::kRenameColumn));
    case TableItem::Verb::kDropColumn: return ddl_bit(DdlKind::kDropColumn);
    case TableItem::Verb::kRenameColumn: return ddl_bit(DdlKind::kRenameColumn);
    case TableItem::Verb::kAlterColumn:
    case TableItem::Verb::kConvertCharset: return ddl_bit(DdlKind::kModifyColumn);
    case TableItem::Verb::kAddKey: return ddl_bit(DdlKind::kAddIndex);
    case TableItem::Verb::kDropKey:
    case TableItem::Verb::kDropConstraint: return ddl_bit(DdlKind::kDropIndex);
    case TableItem::Verb::kRenameTable: return ddl_bit(DdlKind::kRenameTable);
    case TableItem::Verb::kRenameKey:
    case TableItem::Verb::kDefaultCharset: return ddl_bit(DdlKind::kOther);
  }
  return ddl_bit(DdlKind::kOther);
}

}  // namespace

uint32_t ddl_kinds(const DdlStatement& statement, std::string_view database, std::string_view table) {
  bool is_named = std::any_of(statement.tables.begin(), statement.tables.end(),
                              [&](const DdlName& name) { return same_name(name.database, database) && same_name(name.table, table); });
  switch (statement.kind) {
    case DdlStatement::Kind::kNone: break;
    case DdlStatement::Kind::kCreateTable: return ddl_bit(DdlKind::kCreateTable) | (statement.replaces ? ddl_bit(DdlKind::kDropTable) : 0);
    case DdlStatement::Kind::kCreateLike: return ddl_bit(DdlKind::kCreateTable);
    case DdlStatement::Kind::kDropTables: return ddl_bit(DdlKind::kDropTable);
    case DdlStatement::Kind::kRenameTables: return ddl_bit(DdlKind::kRenameTable);
    case DdlStatement::Kind::kTruncate: return ddl_bit(DdlKind::kTruncate);
    case DdlStatement::Kind::kDropDatabase: return ddl_bit(DdlKind::kDropDatabase) | ddl_bit(DdlKind::kDropTable);
    case DdlStatement::Kind::kCreateDatabase:
    case DdlStatement::Kind::kAlterDatabase: return ddl_bit(DdlKind::kOther);
    case DdlStatement::Kind::kAlterTable: {
      uint32_t kinds = 0;
      for (const TableItem& item : statement.items) kinds |= kinds_of(item);
      // ENGINE, COMMENT, PARTITION … have no item; what is not followed may be anything.
      if (!statement.not_followed.empty() || kinds == 0) kinds |= ddl_bit(DdlKind::kOther);
      return kinds;
    }
  }
  return is_named ? ddl_bit(DdlKind::kOther) : 0;
}

}  // namespace tailrace
