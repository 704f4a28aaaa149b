// A schema change as it was written: the tree that read_ddl makes of a statement. Names and literals are UTF-8, unquoted.
// Nothing here knows what the tables look like; apply_ddl does (ddl_apply.h).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mysql/sql_tokens.h"

namespace tailrace {

// CHARACTER SET and COLLATE as given; "" = not given. "default" as a character set means the one a level up.
struct CharsetClause {
  std::string charset, collation;
  bool empty() const { return charset.empty() && collation.empty(); }
};

struct TypeClause {
  std::string word;                 // lower case, synonyms of more than one word made one: "double", "varchar", "mediumtext"
  std::vector<uint64_t> numbers;    // in parentheses
  std::vector<std::string> labels;  // ENUM, SET
  bool is_unsigned = false, zerofill = false, national = false, bytes = false, binary = false, compressed = false;
  CharsetClause charset;
};

struct ColumnClause {
  std::string name;
  TypeClause type;
  std::optional<bool> nullable;  // NULL or NOT NULL, when written
  bool auto_increment = false, primary = false, unique = false, references = false;
  bool generated = false, stored = false;
  enum class Default : uint8_t { kNone, kNull, kLiteral, kComputed, kNotFollowed };
  Default default_kind = Default::kNone;
  std::string default_text;  // kLiteral: as the catalogue would print it, but for digits filled up
  bool first = false;
  std::string after;  // "" = no position, or `first`
};

struct KeyPartClause {
  std::string column;  // "" = an expression
  uint32_t prefix = 0;
};

struct KeyClause {
  enum class Kind : uint8_t { kPrimary, kUnique, kIndex, kForeign };
  Kind kind = Kind::kIndex;
  std::string name;  // "" = the server chooses
  std::vector<KeyPartClause> parts;
  bool if_not_exists = false;
};

struct TableItem {
  enum class Verb : uint8_t {
    kAddColumn,
    kChangeColumn,
    kDropColumn,
    kRenameColumn,
    kAlterColumn,
    kAddKey,
    kDropKey,
    kDropConstraint,
    kRenameKey,
    kDefaultCharset,
    kConvertCharset,
    kRenameTable
  };
  Verb verb = Verb::kAddColumn;
  bool conditional = false;    // IF EXISTS, IF NOT EXISTS
  std::string name, new_name;  // the column, key or table concerned; CHANGE, RENAME: what it becomes is in the other
  std::string database;        // kRenameTable
  ColumnClause column;
  KeyClause key;
  CharsetClause charset;
};

struct DdlName {
  std::string database, table;  // the session's database when the statement names none
};

struct DdlStatement {
  enum class Kind : uint8_t {
    kNone,  // nothing that changes tables or databases
    kCreateTable,
    kCreateLike,
    kAlterTable,
    kDropTables,
    kRenameTables,
    kTruncate,
    kCreateDatabase,
    kAlterDatabase,
    kDropDatabase
  };
  Kind kind = Kind::kNone;
  bool replaces = false, conditional = false;
  std::vector<DdlName> tables;   // kRenameTables: from, to, from, to …; kCreateLike: new, old; kTruncate: one
  std::vector<TableItem> items;  // CREATE TABLE: added columns and keys, default charset
  std::string database;          // kCreateDatabase and the like
  CharsetClause charset;         // of the database
  std::string not_followed;      // a clause whose effect is not known: what it is; "" = all was understood
};

DdlStatement read_ddl(std::string_view sql, std::string_view database, const SqlReading& reading);

}  // namespace tailrace
