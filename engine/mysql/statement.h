// What a logged SQL statement does, as far as a reader of row events must know: transaction control, schema changes
// with the tables they name, and statements that change rows. A tokenizer, not a parser. No I/O.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace tailrace {

enum class StatementKind : uint8_t {
  kNothing,  // only comments
  kBegin,
  kCommit,
  kRollback,
  kSavepoint,
  kRollbackTo,
  kXaStart,
  kXaEnd,
  kXaPrepare,
  kXaCommit,
  kXaRollback,
  kTables,  // changes the tables of Statement::tables
  kDropDatabase,
  kDatabase,  // CREATE or ALTER DATABASE: the default of tables to come
  kRows,      // changes rows as a statement
  kOther,     // changes nothing a reader of rows has to know
  kUnknown
};

enum class TableChange : uint8_t { kCreate, kAlter, kDrop, kTruncate, kRenameFrom, kRenameTo };

struct TableName {
  std::string database, table;  // database is the session's when the statement names none
  TableChange change = TableChange::kAlter;
};

struct Statement {
  StatementKind kind = StatementKind::kUnknown;
  std::vector<TableName> tables;
  bool moves_rows = false;  // ALTER that takes rows away or brings them without row events (partitions, tablespaces)
  bool replaces = false;    // CREATE OR REPLACE: a table of that name goes first
  std::string name;         // kDropDatabase: the database; kXa…: the text of the xid; kSavepoint, kRollbackTo: its name
};

Statement read_statement(std::string_view sql, std::string_view database, bool ansi_quotes);

}  // namespace tailrace
