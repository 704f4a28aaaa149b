#include "mysql/ddl_apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "mysql/collation.h"
#include "mysql/ddl_type.h"

namespace tailrace {
namespace {

using Verb = TableItem::Verb;

// The servers compare names of columns and keys without case.
bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
    return fold(x) == fold(y);
  });
}

// A key whose columns are told by name, so that columns may move under it.
struct NamedPart {
  std::string column;  // "" = an expression
  uint32_t prefix = 0;
};
struct NamedKey {
  std::string name;
  bool unique = false;
  bool generated = false;  // made by the server for a foreign key
  std::vector<NamedPart> parts;
};

Status lost(std::string what) { return Status(ErrorCode::kSchemaMissing, std::move(what)); }

class TableDraft {
 public:
  explicit TableDraft(const DdlContext& context) : context_(context) {}

  void begin(uint16_t collation) { collation_ = collation; }
  void begin(const TableSchema& before) {
    collation_ = before.collation;
    columns_ = before.columns;
    for (const TableKey& key : before.keys) {
      NamedKey& named = keys_.emplace_back();
      named.name = key.name;
      named.unique = key.unique;
      for (const KeyPart& part : key.parts) {
        named.parts.push_back({part.column < 0 ? "" : before.columns[static_cast<size_t>(part.column)].name, part.prefix});
      }
    }
  }

  Status apply(const std::vector<TableItem>& items) {
    TAILRACE_OK(defaults(items));
    TAILRACE_OK(columns(items));
    TAILRACE_OK(keys(items));
    return Status();
  }

  Result<SchemaRef> finish(std::string database, std::string table) {
    auto schema = std::make_shared<TableSchema>();
    schema->database = std::move(database);
    schema->table = std::move(table);
    schema->collation = collation_;
    schema->complete = collation_ != 0;
    for (NamedKey& key : keys_) {
      if (key.name != "PRIMARY") continue;
      for (const NamedPart& part : key.parts) {
        Column* column = find(part.column);
        if (!column) continue;
        column->nullable = false;
        if (column->default_kind == Column::Default::kNull) column->default_kind = Column::Default::kImplicit;
      }
    }
    schema->columns = std::move(columns_);
    for (const Column& column : schema->columns) {
      if (column.name.empty()) return lost("a column without a name");
    }
    for (NamedKey& named : keys_) {
      TableKey& key = schema->keys.emplace_back();
      key.name = std::move(named.name);
      key.unique = named.unique;
      for (const NamedPart& part : named.parts) {
        int index = -1;
        for (size_t i = 0; i < schema->columns.size() && !part.column.empty(); ++i) {
          if (same_name(schema->columns[i].name, part.column)) index = static_cast<int>(i);
        }
        if (index < 0 && !part.column.empty())
          return lost(fmt::format("key `{}` of column `{}`, which is not known", key.name, part.column));
        uint32_t prefix = part.prefix;
        if (index >= 0 && whole(schema->columns[static_cast<size_t>(index)], prefix)) prefix = 0;
        constexpr uint32_t kBoundingBox = 32;  // what a key has of a geometry
        if (index >= 0 && schema->columns[static_cast<size_t>(index)].kind == Kind::kGeometry) prefix = kBoundingBox;
        key.parts.push_back({index, prefix});
      }
    }
    schema->primary_key = row_key(*schema);
    return SchemaRef(schema);
  }

 private:
  static bool whole(const Column& column, uint32_t prefix) {
    if (column.kind != Kind::kText && column.kind != Kind::kBytes) return true;
    if (column.type_name == "inet4" || column.type_name == "inet6" || column.type_name == "uuid") return true;
    bool sized =
        column.type_name == "char" || column.type_name == "varchar" || column.type_name == "binary" || column.type_name == "varbinary";
    return sized && prefix >= column.length;
  }

  // A column that is new, or changed by its clause.
  Result<Column> make(const ColumnClause& clause) const {
    if (converted_ == 0) return make_column(clause, collation_, context_);
    return make_converted_column(clause, collation_, converted_, context_);
  }

  Column* find(std::string_view name) {
    for (Column& column : columns_) {
      if (same_name(column.name, name)) return &column;
    }
    return nullptr;
  }
  NamedKey* find_key(std::string_view name) {
    for (NamedKey& key : keys_) {
      if (same_name(key.name, name)) return &key;
    }
    return nullptr;
  }

  // The table's default, and what CONVERT TO makes of its columns. MariaDB takes a default beside a conversion as given; MySQL
  // wants both to be of one character set, and the later of two collations counts.
  Status defaults(const std::vector<TableItem>& items) {
    bool given = false;  // a default, or in MySQL a collation
    for (const TableItem& item : items) {
      bool converts = item.verb == Verb::kConvertCharset;
      if (item.verb != Verb::kDefaultCharset && !converts) continue;
      bool from_database = item.charset.charset == "default";
      CharsetClause charset = item.charset;
      // MariaDB converts to the character set of the database, not to its collation.
      if (from_database && context_.is_mariadb && converts) {
        charset.charset = charset_name_of_collation(context_.database_collation);
      }
      uint16_t collation = resolve_charset(charset, from_database ? context_.database_collation : collation_, context_);
      if (collation == 0) return lost("character set " + item.charset.charset + " " + item.charset.collation);
      if (converts) converted_ = collation;
      if (context_.is_mariadb ? converts && given : !converts && given && charset.collation.empty()) continue;
      given = context_.is_mariadb ? given || !converts : !charset.collation.empty();
      collation_ = collation;
    }
    return Status();
  }

  // The server's order: first what is there, dropped or changed in its place; then what has a new place, as written. Until its
  // turn comes a column that moves stands where it was, and others can be put behind it.
  Status columns(const std::vector<TableItem>& items) {
    const std::vector<Column> before = std::move(columns_);
    columns_.clear();
    auto existed = [&](std::string_view name) {
      return std::any_of(before.begin(), before.end(), [&](const Column& c) { return same_name(c.name, name); });
    };
    std::vector<const TableItem*> used;
    std::vector<const TableItem*> moves;
    std::vector<std::string> dropped, added;
    for (const Column& column : before) {
      const TableItem* change = nullptr;
      for (const TableItem& item : items) {
        bool concerns = item.verb == Verb::kDropColumn || item.verb == Verb::kChangeColumn || item.verb == Verb::kRenameColumn;
        if (!concerns || !same_name(item.name, column.name)) continue;
        bool again = change && change->verb == Verb::kDropColumn && item.verb == Verb::kDropColumn && item.conditional;
        if (again) continue;  // DROP a, DROP IF EXISTS a
        if (change) return lost(fmt::format("column `{}` changed twice", column.name));
        change = &item;
      }
      if (change) used.push_back(change);
      if (!change) {
        columns_.push_back(column);
        if (converted_) TAILRACE_OK(convert_column(columns_.back(), converted_, context_));
        continue;
      }
      if (change->verb == Verb::kDropColumn) {
        dropped.push_back(column.name);
        continue;
      }
      const std::string& becomes = change->verb == Verb::kRenameColumn ? change->new_name : change->column.name;
      renames_.emplace_back(column.name, becomes);
      if (change->verb == Verb::kRenameColumn) {
        columns_.push_back(column);
        columns_.back().name = change->new_name;
        if (converted_) TAILRACE_OK(convert_column(columns_.back(), converted_, context_));
        continue;
      }
      TAILRACE_TRY(Column made,
                   converted_ ? change_converted_column(column, change->column, collation_, converted_, context_) : make(change->column));
      if (change->column.first || !change->column.after.empty()) moves.push_back(change);
      columns_.push_back(std::move(made));
    }
    for (const TableItem& item : items) {
      if (item.verb == Verb::kAddColumn) {
        if (item.conditional && (existed(item.column.name) || find(item.column.name))) {
          skipped_.push_back(&item);
          continue;
        }
        TAILRACE_TRY(Column made, make(item.column));
        added.push_back(made.name);
        TAILRACE_OK(place(std::move(made), item.column));
        continue;
      }
      if (item.verb != Verb::kChangeColumn && item.verb != Verb::kRenameColumn && item.verb != Verb::kDropColumn) continue;
      bool was_used = std::find(used.begin(), used.end(), &item) != used.end();
      if (!was_used && !item.conditional) return lost(fmt::format("column `{}` is not known", item.name));
      if (std::find(moves.begin(), moves.end(), &item) == moves.end()) continue;
      auto at = std::find_if(columns_.begin(), columns_.end(), [&](const Column& c) { return same_name(c.name, item.column.name); });
      Column moved = std::move(*at);
      columns_.erase(at);
      TAILRACE_OK(place(std::move(moved), item.column));
    }
    TAILRACE_OK(follow_in_keys(before, dropped, added));
    for (const TableItem& item : items) {
      if (item.verb != Verb::kAlterColumn) continue;
      if (Column* column = find(item.name)) column->default_kind = Column::Default::kUnknown;
    }
    for (size_t i = 0; i < columns_.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        if (same_name(columns_[i].name, columns_[k].name)) return lost(fmt::format("column `{}` twice", columns_[i].name));
      }
    }
    return columns_.empty() ? lost("no column is left") : Status();
  }

  Status place(Column column, const ColumnClause& clause) {
    if (clause.first) {
      columns_.insert(columns_.begin(), std::move(column));
    } else if (clause.after.empty()) {
      columns_.push_back(std::move(column));
    } else {
      auto at = std::find_if(columns_.begin(), columns_.end(), [&](const Column& c) { return same_name(c.name, clause.after); });
      if (at == columns_.end()) return lost(fmt::format("AFTER `{}`, which is not known", clause.after));
      columns_.insert(at + 1, std::move(column));
    }
    return Status();
  }

  void drop_from_keys(const std::string& column) {
    for (NamedKey& key : keys_) {
      std::erase_if(key.parts, [&](const NamedPart& part) { return !part.column.empty() && same_name(part.column, column); });
    }
    std::erase_if(keys_, [](const NamedKey& key) { return key.parts.empty(); });
  }
  // The servers look for a key's columns by their old names, one after the other in the new table: a column that is added
  // under the name of one dropped, or of one renamed that stands behind it, takes over its key, in the old length.
  Status follow_in_keys(const std::vector<Column>& before, const std::vector<std::string>& dropped, const std::vector<std::string>& added) {
    auto index_of = [&](std::string_view name) {
      return std::find_if(columns_.begin(), columns_.end(), [&](const Column& c) { return same_name(c.name, name); }) - columns_.begin();
    };
    auto is_in = [](const std::vector<std::string>& names, std::string_view name) {
      return std::any_of(names.begin(), names.end(), [&](const std::string& one) { return same_name(one, name); });
    };
    auto take_over = [&](NamedPart& part) {
      const Column& column = columns_[static_cast<size_t>(index_of(part.column))];
      if (column.kind != Kind::kText && column.kind != Kind::kBytes) return Status();
      auto old = std::find_if(before.begin(), before.end(), [&](const Column& c) { return same_name(c.name, part.column); });
      if (part.prefix == 0 && old != before.end()) {
        part.prefix = key_part_length(*old);
        if (old->kind == Kind::kEnum || old->kind == Kind::kSet) return Status();  // 0 is their length, then
      }
      return part.prefix ? Status() : lost(fmt::format("a key of column `{}`, whose name another takes", part.column));
    };
    for (const std::string& name : dropped) {
      if (!is_in(added, name)) drop_from_keys(name);
    }
    for (NamedKey& key : keys_) {
      for (NamedPart& part : key.parts) {
        if (part.column.empty()) continue;
        bool was_added = is_in(added, part.column);
        auto renamed = std::find_if(renames_.begin(), renames_.end(), [&](const auto& pair) { return same_name(pair.first, part.column); });
        if (renamed != renames_.end()) {  // all at once: names may be swapped
          if (!was_added || index_of(renamed->second) < index_of(part.column)) part.column = renamed->second;
          else TAILRACE_OK(take_over(part));
        } else if (is_in(dropped, part.column) && was_added) {
          TAILRACE_OK(take_over(part));
        }
      }
    }
    return Status();
  }

  Status keys(const std::vector<TableItem>& items) {
    std::vector<NamedKey> before = keys_;
    auto existed = [&](std::string_view name) {
      return std::any_of(before.begin(), before.end(), [&](const NamedKey& k) { return same_name(k.name, name); });
    };
    for (const TableItem& item : items) {
      bool drops = item.verb == Verb::kDropKey || item.verb == Verb::kDropConstraint;
      if (!drops && item.verb != Verb::kRenameKey) continue;
      NamedKey* key = find_key(item.name);
      if (item.verb == Verb::kDropConstraint && key && !key->unique) key = nullptr;
      if (!key) {
        // A key whose only columns were dropped by the same statement is gone already; other constraints are no keys.
        if (item.conditional || item.verb == Verb::kDropConstraint || drops_columns(items)) continue;
        return lost(fmt::format("key `{}` is not known", item.name));
      }
      if (item.verb == Verb::kRenameKey) {
        key->name = item.new_name;
      } else {
        keys_.erase(keys_.begin() + (key - keys_.data()));
      }
    }
    std::vector<NamedKey> added;
    for (const TableItem& item : items) {
      bool is_column = item.verb == Verb::kAddColumn || item.verb == Verb::kChangeColumn;
      if (is_column && (item.column.primary || item.column.unique || item.column.references)) {
        if (!find(item.column.name)) continue;
        bool skipped = std::find(skipped_.begin(), skipped_.end(), &item) != skipped_.end();
        if (item.conditional) {
          // MariaDB makes the key of a column that was there, too, unless there is one of its name.
          auto same = [&](const NamedKey& key) {
            return key.unique && key.parts.size() == 1 && same_name(key.parts[0].column, item.column.name);
          };
          bool has_key = existed(item.column.primary ? "PRIMARY" : item.column.name) || std::any_of(added.begin(), added.end(), same);
          if (has_key || (skipped && item.column.references)) continue;
        }
        if (item.column.primary) added.push_back({"PRIMARY", true, false, {{item.column.name, 0}}});
        if (item.column.unique) added.push_back({"", true, false, {{item.column.name, 0}}});
        bool makes_key = context_.is_mariadb ? context_.version >= 100500 : context_.version >= 90000;
        if (item.column.references && makes_key) added.push_back({"", false, true, {{item.column.name, 0}}});
      }
      if (item.verb != Verb::kAddKey) continue;
      const KeyClause& clause = item.key;
      NamedKey key{clause.name,
                   clause.kind == KeyClause::Kind::kPrimary || clause.kind == KeyClause::Kind::kUnique,
                   clause.kind == KeyClause::Kind::kForeign,
                   {}};
      for (const KeyPartClause& part : clause.parts) {
        if (!part.column.empty() && !find(part.column)) return lost(fmt::format("key of column `{}`, which is not known", part.column));
        key.parts.push_back({part.column, part.prefix});
      }
      bool if_not_exists = clause.if_not_exists || item.conditional;
      if (if_not_exists) {
        std::string name = clause.name.empty() && !clause.parts.empty() ? clause.parts[0].column : clause.name;
        if (existed(name) || std::any_of(added.begin(), added.end(), [&](const NamedKey& k) { return same_name(k.name, name); })) continue;
      }
      added.push_back(std::move(key));
    }
    drop_covered(added);
    for (NamedKey& key : added) {
      if (key.name.empty()) key.name = free_name(key);
      if (find_key(key.name)) {
        if (key.generated) continue;
        return lost(fmt::format("key `{}` twice", key.name));
      }
      keys_.push_back(std::move(key));
    }
    return Status();
  }

  static bool drops_columns(const std::vector<TableItem>& items) {
    return std::any_of(items.begin(), items.end(), [](const TableItem& item) { return item.verb == Verb::kDropColumn; });
  }

  // The key that a foreign key needs is not made where another begins with its columns.
  void drop_covered(std::vector<NamedKey>& added) const {
    auto covers = [](const NamedKey& key, const NamedKey& needed) {
      if (&key == &needed || key.parts.size() < needed.parts.size()) return false;
      for (size_t i = 0; i < needed.parts.size(); ++i) {
        if (key.parts[i].prefix != 0 || !same_name(key.parts[i].column, needed.parts[i].column)) return false;
      }
      return true;
    };
    std::vector<NamedKey> kept;
    for (size_t i = 0; i < added.size(); ++i) {
      bool covered = false;
      if (added[i].generated) {
        for (const NamedKey& key : keys_) covered = covered || covers(key, added[i]);
        for (size_t k = 0; k < added.size(); ++k) {
          // Of two generated ones that are the same the first stays.
          bool better = !added[k].generated || added[k].parts.size() > added[i].parts.size() || k < i;
          covered = covered || (k != i && better && covers(added[k], added[i]));
        }
      }
      if (!covered) kept.push_back(added[i]);
    }
    added = std::move(kept);
  }

  std::string free_name(const NamedKey& key) {
    std::string base = key.parts.front().column.empty() ? "functional_index" : key.parts.front().column;
    if (Column* column = find(base)) base = column->name;
    if (!find_key(base) && !same_name(base, "PRIMARY")) return base;
    for (int i = 2; i < 100; ++i) {
      std::string name = fmt::format("{}_{}", base, i);
      if (!find_key(name)) return name;
    }
    return base + "_not_specified";
  }

  const DdlContext& context_;
  uint16_t collation_ = 0;
  uint16_t converted_ = 0;  // what CONVERT TO gives the columns; 0 = there is none
  std::vector<Column> columns_;
  std::vector<NamedKey> keys_;
  std::vector<std::pair<std::string, std::string>> renames_;
  std::vector<const TableItem*> skipped_;  // ADD COLUMN IF NOT EXISTS of one that exists
};

}  // namespace

Result<SchemaRef> create_table(const DdlStatement& statement, const DdlContext& context) {
  if (!statement.not_followed.empty()) return lost(statement.not_followed);
  TableDraft draft(context);
  draft.begin(context.database_collation);
  TAILRACE_OK(draft.apply(statement.items));
  TAILRACE_TRY(SchemaRef made, draft.finish(statement.tables[0].database, statement.tables[0].table));
  return renamed_table(*made, statement.tables[0]);
}

Result<SchemaRef> alter_table(const TableSchema& before, const DdlStatement& statement, const DdlContext& context) {
  if (!statement.not_followed.empty()) return lost(statement.not_followed);
  if (!before.complete) return lost("what the table looked like before is known in part only");
  TableDraft draft(context);
  draft.begin(before);
  TAILRACE_OK(draft.apply(statement.items));
  DdlName name{before.database, before.table};
  for (const TableItem& item : statement.items) {
    if (item.verb == Verb::kRenameTable) name = {item.database, item.new_name};
  }
  TAILRACE_TRY(SchemaRef made, draft.finish(name.database, name.table));
  bool renamed = name.database != before.database || name.table != before.table;
  if (renamed || !same_layout(before, *made) || !same_defaults(before, *made)) return renamed_table(*made, name);
  auto kept = std::make_shared<TableSchema>(*made);
  kept->schema_id = before.schema_id;
  return SchemaRef(kept);
}

SchemaRef renamed_table(const TableSchema& before, const DdlName& name, bool as_new) {
  auto copy = std::make_shared<TableSchema>(before);
  copy->database = name.database;
  copy->table = name.table;
  if (as_new) copy->schema_id = next_schema_id();
  return copy;
}

}  // namespace tailrace
