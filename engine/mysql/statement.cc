#include "mysql/statement.h"

#include "mysql/sql_tokens.h"

namespace tailrace {
namespace {

class Reader {
 public:
  Reader(std::string_view sql, std::string_view database, bool ansi_quotes) : tokens_(sql, ansi_quotes), database_(database) {}

  Statement read() {
    if (tokens_.at_end()) return of(StatementKind::kNothing);
    if (tokens_.accept("BEGIN")) return of(StatementKind::kBegin);
    if (tokens_.accept("START")) return of(tokens_.accept("TRANSACTION") ? StatementKind::kBegin : StatementKind::kOther);
    if (tokens_.accept("COMMIT")) return of(StatementKind::kCommit);
    if (tokens_.accept("ROLLBACK")) {
      tokens_.accept("WORK");
      if (!tokens_.accept("TO")) return of(StatementKind::kRollback);
      tokens_.accept("SAVEPOINT");
      return savepoint(StatementKind::kRollbackTo);
    }
    if (tokens_.accept("SAVEPOINT")) return savepoint(StatementKind::kSavepoint);
    if (tokens_.accept("RELEASE")) return of(StatementKind::kOther);  // a name less to go back to
    if (tokens_.accept("XA")) return xa();
    if (tokens_.accept("CREATE")) return create();
    if (tokens_.accept("ALTER")) return alter();
    if (tokens_.accept("DROP")) return drop();
    if (tokens_.accept("RENAME")) return rename();
    if (tokens_.accept("TRUNCATE")) {
      tokens_.accept("TABLE");
      add(TableChange::kTruncate);
      return tables();
    }
    if (tokens_.accept("DELETE")) {
      // Logged by the server for a MEMORY table that a restart has emptied.
      if (tokens_.accept("FROM") && add(TableChange::kTruncate) && tokens_.at_end()) return tables();
      statement_.tables.clear();
      return of(StatementKind::kRows);
    }
    for (std::string_view word : {"INSERT", "UPDATE", "REPLACE", "LOAD", "CALL", "WITH", "DO", "SELECT", "IMPORT"}) {
      if (tokens_.accept(word)) return of(StatementKind::kRows);
    }
    for (std::string_view word :
         {"GRANT", "REVOKE", "SET",    "FLUSH", "ANALYZE", "OPTIMIZE", "REPAIR", "CHECK", "CHECKSUM", "INSTALL", "UNINSTALL",
          "RESET", "LOCK",   "UNLOCK", "PURGE", "CHANGE",  "STOP",     "KILL",   "CACHE", "SHUTDOWN", "RESTART", "USE"}) {
      if (tokens_.accept(word)) return of(StatementKind::kOther);
    }
    return of(StatementKind::kUnknown);
  }

 private:
  Statement savepoint(StatementKind kind) {
    // The server compares their names without case.
    statement_.name = lower_ascii(tokens_.next().text);
    return of(kind);
  }
  Statement of(StatementKind kind) {
    statement_.kind = kind;
    return std::move(statement_);
  }
  Statement tables() { return of(statement_.tables.empty() ? StatementKind::kUnknown : StatementKind::kTables); }

  // `a`.`b` or `b`; false when there is no name here.
  bool add(TableChange change) {
    if (!tokens_.peek().is_name()) return false;
    TableName name;
    name.database = std::string(database_);
    name.table = tokens_.next().text;
    name.change = change;
    if (tokens_.accept_mark('.')) {
      if (!tokens_.peek().is_name() && tokens_.peek().kind != SqlToken::Kind::kNumber) return false;
      name.database = std::move(name.table);
      name.table = tokens_.next().text;
    }
    statement_.tables.push_back(std::move(name));
    return true;
  }
  void if_exists() {
    if (!tokens_.accept("IF")) return;
    tokens_.accept("NOT");
    tokens_.accept("EXISTS");
  }
  // Skips to a word outside parentheses.
  bool find(std::string_view word) {
    int depth = 0;
    while (!tokens_.at_end()) {
      if (tokens_.peek().is_mark('(')) ++depth;
      if (tokens_.peek().is_mark(')')) --depth;
      if (depth <= 0 && tokens_.peek().is(word)) return tokens_.accept(word);
      tokens_.next();
    }
    return false;
  }

  Statement xa() {
    StatementKind kind = StatementKind::kUnknown;
    if (tokens_.accept("START") || tokens_.accept("BEGIN")) kind = StatementKind::kXaStart;
    else if (tokens_.accept("END")) kind = StatementKind::kXaEnd;
    else if (tokens_.accept("PREPARE")) kind = StatementKind::kXaPrepare;
    else if (tokens_.accept("COMMIT")) kind = StatementKind::kXaCommit;
    else if (tokens_.accept("ROLLBACK")) kind = StatementKind::kXaRollback;
    while (!tokens_.at_end()) statement_.name += lower_ascii(tokens_.next().raw);
    return of(kind);
  }

  Statement create() {
    if (tokens_.accept("OR")) statement_.replaces = tokens_.accept("REPLACE");
    if (tokens_.accept("TEMPORARY")) return of(StatementKind::kOther);
    for (std::string_view word : {"UNIQUE", "FULLTEXT", "SPATIAL", "ONLINE", "OFFLINE", "VECTOR"}) tokens_.accept(word);
    if (tokens_.accept("INDEX")) return find("ON") && add(TableChange::kAlter) ? tables() : of(StatementKind::kUnknown);
    if (tokens_.peek().is("DATABASE") || tokens_.peek().is("SCHEMA")) return of(StatementKind::kDatabase);
    if (!tokens_.accept("TABLE")) return of(StatementKind::kOther);
    if_exists();
    add(TableChange::kCreate);
    return tables();
  }
  Statement alter() {
    for (std::string_view word : {"ONLINE", "OFFLINE", "IGNORE"}) tokens_.accept(word);
    if (tokens_.peek().is("DATABASE") || tokens_.peek().is("SCHEMA")) return of(StatementKind::kDatabase);
    if (!tokens_.accept("TABLE")) return of(StatementKind::kOther);
    if_exists();
    if (!add(TableChange::kAlter)) return of(StatementKind::kUnknown);
    int depth = 0;
    while (!tokens_.at_end()) {
      if (tokens_.peek().is_mark('(')) ++depth;
      if (tokens_.peek().is_mark(')')) --depth;
      bool here = depth == 0 && tokens_.peek().is("RENAME");
      bool swap = depth == 0 && tokens_.peek().is("WITH");
      bool moves = false;
      for (std::string_view word : {"TRUNCATE", "DROP", "EXCHANGE", "CONVERT", "IMPORT", "DISCARD"}) {
        moves = moves || (depth == 0 && tokens_.peek().is(word));
      }
      tokens_.next();
      for (std::string_view word : {"PARTITION", "SUBPARTITION", "TABLESPACE", "TABLE"}) {
        if (moves && tokens_.peek().is(word)) statement_.moves_rows = true;
      }
      if (swap && tokens_.accept("TABLE")) add(TableChange::kAlter);  // EXCHANGE PARTITION … WITH TABLE
      if (!here) continue;
      if (tokens_.peek().is("COLUMN") || tokens_.peek().is("INDEX") || tokens_.peek().is("KEY")) continue;
      if (!tokens_.accept("TO") && !tokens_.accept("AS")) tokens_.accept_mark('=');
      if (add(TableChange::kRenameTo)) statement_.tables.front().change = TableChange::kRenameFrom;
    }
    return tables();
  }
  Statement drop() {
    if (tokens_.accept("TEMPORARY")) return of(StatementKind::kOther);
    for (std::string_view word : {"ONLINE", "OFFLINE"}) tokens_.accept(word);
    if (tokens_.accept("INDEX")) return find("ON") && add(TableChange::kAlter) ? tables() : of(StatementKind::kUnknown);
    if (tokens_.accept("DATABASE") || tokens_.accept("SCHEMA")) {
      if_exists();
      statement_.name = tokens_.next().text;
      return of(StatementKind::kDropDatabase);
    }
    if (!tokens_.accept("TABLE") && !tokens_.accept("TABLES")) return of(StatementKind::kOther);
    if_exists();
    do {
      if (!add(TableChange::kDrop)) return of(StatementKind::kUnknown);
    } while (tokens_.accept_mark(','));
    return tables();
  }
  Statement rename() {
    if (!tokens_.accept("TABLE") && !tokens_.accept("TABLES")) return of(StatementKind::kOther);
    if_exists();
    do {
      if (!add(TableChange::kRenameFrom)) return of(StatementKind::kUnknown);
      while (!tokens_.at_end() && !tokens_.peek().is("TO")) tokens_.next();  // WAIT n, NOWAIT
      if (!tokens_.accept("TO") || !add(TableChange::kRenameTo)) return of(StatementKind::kUnknown);
    } while (tokens_.accept_mark(','));
    return tables();
  }

  SqlTokens tokens_;
  std::string_view database_;
  Statement statement_;
};

}  // namespace

Statement read_statement(std::string_view sql, std::string_view database, bool ansi_quotes) {
  return Reader(sql, database, ansi_quotes).read();
}

}  // namespace tailrace
