#include "mysql/ddl_statement.h"

#include <fmt/format.h>

#include "mysql/ddl_reader.h"

namespace tailrace {

using Verb = TableItem::Verb;

bool DdlReader::lost(std::string_view what) {
  if (out_.not_followed.empty()) out_.not_followed = std::string(what.substr(0, 80));
  return false;
}
bool DdlReader::lost_here() {
  return lost(tokens_.at_end() ? std::string("the end of the statement") : fmt::format("at '{}'", tokens_.peek().raw.substr(0, 60)));
}

bool DdlReader::accept_all(std::initializer_list<std::string_view> words) {
  SqlTokens before = tokens_;
  for (std::string_view word : words) {
    if (tokens_.accept(word)) continue;
    tokens_ = before;
    return false;
  }
  return true;
}
bool DdlReader::peek_any(std::initializer_list<std::string_view> words) const {
  for (std::string_view word : words) {
    if (tokens_.peek().is(word)) return true;
  }
  return false;
}
bool DdlReader::peek_pair(std::string_view first, std::string_view second) const {
  if (!tokens_.peek().is(first)) return false;
  SqlTokens ahead = tokens_;
  ahead.next();
  return ahead.peek().is(second);
}
bool DdlReader::take_name(std::string& out) {
  if (!tokens_.peek().is_name()) return lost_here();
  out = tokens_.next().text;
  return true;
}
bool DdlReader::take_table(DdlName& out) {
  out.database = std::string(database_);
  if (!take_name(out.table)) return false;
  if (!tokens_.accept_mark('.')) return true;
  out.database = std::move(out.table);
  if (!tokens_.peek().is_name() && tokens_.peek().kind != SqlToken::Kind::kNumber) return lost_here();
  out.table = tokens_.next().text;
  return true;
}
bool DdlReader::skip_parentheses() {
  if (!tokens_.peek().is_mark('(')) return lost_here();
  int depth = 0;
  do {
    if (tokens_.at_end()) return lost_here();
    if (tokens_.peek().is_mark('(')) ++depth;
    if (tokens_.peek().is_mark(')')) --depth;
    tokens_.next();
  } while (depth > 0);
  return true;
}
void DdlReader::skip_to_end() {
  while (!tokens_.at_end()) tokens_.next();
}
bool DdlReader::at_item_end() const { return tokens_.at_end() || tokens_.peek().is_mark(',') || tokens_.peek().is_mark(')'); }
void DdlReader::skip_item() {
  while (!at_item_end()) {
    if (tokens_.peek().is_mark('(')) {
      if (!skip_parentheses()) return;
    } else {
      tokens_.next();
    }
  }
}
bool DdlReader::accept_if_exists() { return accept_all({"IF", "NOT", "EXISTS"}) || accept_all({"IF", "EXISTS"}); }
void DdlReader::lock_options() {
  if (tokens_.accept("NOWAIT")) return;
  SqlTokens before = tokens_;
  if (!tokens_.accept("WAIT")) return;
  if (tokens_.peek().kind == SqlToken::Kind::kNumber) tokens_.next();
  else tokens_ = before;
}
TableItem& DdlReader::item(Verb verb) {
  TableItem& made = out_.items.emplace_back();
  made.verb = verb;
  return made;
}

DdlStatement DdlReader::read() {
  using Kind = DdlStatement::Kind;
  if (tokens_.accept("CREATE")) {
    create();
  } else if (tokens_.accept("ALTER")) {
    alter();
  } else if (tokens_.accept("DROP")) {
    drop();
  } else if (tokens_.accept("RENAME")) {
    rename();
  } else if (tokens_.accept("TRUNCATE")) {
    tokens_.accept("TABLE");
    out_.kind = Kind::kTruncate;
    take_table(out_.tables.emplace_back());
  }
  return std::move(out_);
}

bool DdlReader::create() {
  if (accept_all({"OR", "REPLACE"})) out_.replaces = true;
  if (peek_any({"TEMPORARY", "SEQUENCE", "TRIGGER"})) return true;
  for (std::string_view word : {"ONLINE", "OFFLINE"}) tokens_.accept(word);
  if (tokens_.accept("UNIQUE")) return create_index(KeyClause::Kind::kUnique);
  for (std::string_view word : {"FULLTEXT", "SPATIAL", "VECTOR"}) {
    if (tokens_.accept(word)) return create_index(KeyClause::Kind::kIndex);
  }
  if (tokens_.peek().is("INDEX")) return create_index(KeyClause::Kind::kIndex);
  if (tokens_.accept("TABLE")) return create_table();
  if (!tokens_.accept("DATABASE") && !tokens_.accept("SCHEMA")) return true;
  out_.kind = DdlStatement::Kind::kCreateDatabase;
  out_.conditional = accept_if_exists();
  return take_name(out_.database) && database_options();
}

bool DdlReader::database_options() {
  while (!tokens_.at_end()) {
    if (charset_is_next()) {
      if (!take_charset(out_.charset)) return false;
    } else {
      tokens_.next();
    }
  }
  return true;
}

bool DdlReader::create_index(KeyClause::Kind kind) {
  if (!tokens_.accept("INDEX") && !tokens_.accept("KEY")) return lost_here();
  out_.kind = DdlStatement::Kind::kAlterTable;
  KeyClause key;
  key.kind = kind;
  key.if_not_exists = accept_if_exists();
  if (!take_name(key.name)) return false;
  while (!tokens_.at_end() && !tokens_.peek().is("ON")) tokens_.next();  // USING …
  if (!tokens_.accept("ON")) return lost_here();
  if (!take_table(out_.tables.emplace_back())) return false;
  lock_options();
  if (!key_parts(key)) return false;
  if (out_.replaces) {
    TableItem& dropped = item(Verb::kDropKey);
    dropped.name = key.name;
    dropped.conditional = true;
  }
  out_.replaces = false;
  item(Verb::kAddKey).key = std::move(key);
  skip_to_end();
  return true;
}

bool DdlReader::create_table() {
  out_.kind = DdlStatement::Kind::kCreateTable;
  out_.conditional = accept_if_exists();
  if (!take_table(out_.tables.emplace_back())) return false;
  SqlTokens before = tokens_;
  bool in_parentheses = tokens_.accept_mark('(');
  if (tokens_.accept("LIKE")) {
    out_.kind = DdlStatement::Kind::kCreateLike;
    return take_table(out_.tables.emplace_back());
  }
  tokens_ = before;
  if (!in_parentheses) return lost("CREATE TABLE without columns");
  tokens_.accept_mark('(');
  if (peek_any({"SELECT", "WITH"})) return lost("CREATE TABLE … SELECT");
  do {
    if (!element(out_.items)) return false;
  } while (tokens_.accept_mark(','));
  if (!tokens_.accept_mark(')')) return lost_here();
  while (!tokens_.at_end()) {
    if (tokens_.accept_mark(',')) continue;
    if (peek_any({"SELECT", "AS", "IGNORE", "REPLACE"}) || tokens_.peek().is_mark('(')) return lost("CREATE TABLE … SELECT");
    if (peek_pair("PARTITION", "BY")) {
      skip_to_end();
    } else if (!table_option()) {
      return false;
    }
  }
  return true;
}

bool DdlReader::element(std::vector<TableItem>& items) {
  if (key_is_next()) return key(items);
  if (peek_pair("PERIOD", "FOR")) return lost("PERIOD FOR");
  TableItem made;
  made.verb = Verb::kAddColumn;
  if (!column(made.column)) return false;
  if (!at_item_end()) return lost_here();
  items.push_back(std::move(made));
  return true;
}

bool DdlReader::charset_is_next() const {
  SqlTokens ahead = tokens_;
  ahead.accept("DEFAULT");
  if (ahead.peek().is("CHARSET") || ahead.peek().is("COLLATE")) return true;
  return (ahead.accept("CHARACTER") || ahead.accept("CHAR")) && ahead.peek().is("SET");
}

bool DdlReader::take_charset(CharsetClause& out) {
  tokens_.accept("DEFAULT");
  bool is_collate = tokens_.accept("COLLATE");
  if (!is_collate && !tokens_.accept("CHARSET") && !accept_all({"CHARACTER", "SET"}) && !accept_all({"CHAR", "SET"})) {
    return lost_here();
  }
  tokens_.accept_mark('=');
  if (!tokens_.peek().is_name() && tokens_.peek().kind != SqlToken::Kind::kString) return lost_here();
  std::string& name = is_collate ? out.collation : out.charset;
  name = lower_ascii(tokens_.next().text);
  return !is_collate || name != "default" || lost("COLLATE DEFAULT");
}

// One option of a table. Those that say nothing of columns are passed over; others are not followed.
bool DdlReader::table_option() {
  if (charset_is_next()) {
    if (out_.items.empty() || out_.items.back().verb != Verb::kDefaultCharset) item(Verb::kDefaultCharset);
    return take_charset(out_.items.back().charset);
  }
  if (accept_all({"START", "TRANSACTION"}) || accept_all({"ENABLE", "KEYS"}) || accept_all({"DISABLE", "KEYS"}) ||
      accept_all({"WITH", "VALIDATION"}) || accept_all({"WITHOUT", "VALIDATION"}) || accept_all({"STORAGE", "DISK"}) ||
      accept_all({"STORAGE", "MEMORY"}) || tokens_.accept("FORCE") || tokens_.accept("NOWAIT")) {
    return true;
  }
  if (peek_pair("DATA", "DIRECTORY") || peek_pair("INDEX", "DIRECTORY")) tokens_.next();
  SqlTokens ahead = tokens_;
  ahead.next();
  bool assigned = ahead.peek().is_mark('=');  // engines have options of their own in this form
  if (tokens_.peek().is("SEQUENCE")) return lost("SEQUENCE");
  bool known = peek_any({"ENGINE",
                         "TYPE",
                         "AUTO_INCREMENT",
                         "AVG_ROW_LENGTH",
                         "CHECKSUM",
                         "TABLE_CHECKSUM",
                         "COMMENT",
                         "COMPRESSION",
                         "CONNECTION",
                         "DIRECTORY",
                         "DELAY_KEY_WRITE",
                         "ENCRYPTION",
                         "ENGINE_ATTRIBUTE",
                         "SECONDARY_ENGINE",
                         "SECONDARY_ENGINE_ATTRIBUTE",
                         "INSERT_METHOD",
                         "KEY_BLOCK_SIZE",
                         "MAX_ROWS",
                         "MIN_ROWS",
                         "PACK_KEYS",
                         "PASSWORD",
                         "ROW_FORMAT",
                         "STATS_AUTO_RECALC",
                         "STATS_PERSISTENT",
                         "STATS_SAMPLE_PAGES",
                         "TABLESPACE",
                         "TRANSACTIONAL",
                         "UNION",
                         "PAGE_CHECKSUM",
                         "AUTOEXTEND_SIZE",
                         "ALGORITHM",
                         "LOCK",
                         "WAIT"});
  if (!tokens_.peek().is_name() || (!assigned && !known)) return lost_here();
  tokens_.next();
  tokens_.accept_mark('=');
  if (tokens_.peek().is_mark('(')) return skip_parentheses();
  if (tokens_.at_end()) return lost_here();
  tokens_.next();
  return true;
}

bool DdlReader::alter() {
  for (std::string_view word : {"ONLINE", "OFFLINE", "IGNORE"}) tokens_.accept(word);
  if (tokens_.accept("DATABASE") || tokens_.accept("SCHEMA")) {
    out_.kind = DdlStatement::Kind::kAlterDatabase;
    out_.database = std::string(database_);
    if (!charset_is_next() && tokens_.peek().is_name()) out_.database = tokens_.next().text;
    return database_options();
  }
  if (!tokens_.accept("TABLE")) return true;
  out_.kind = DdlStatement::Kind::kAlterTable;
  out_.conditional = accept_if_exists();
  if (!take_table(out_.tables.emplace_back())) return false;
  lock_options();
  while (!tokens_.at_end()) {
    if (!alter_item()) return false;
    tokens_.accept_mark(',');
  }
  return true;
}

bool DdlReader::alter_item() {
  if (tokens_.accept("ADD")) return add_item();
  if (peek_pair("CHECK", "PARTITION")) {
    skip_to_end();
    return true;
  }
  if (tokens_.peek().is("DROP")) return drop_item();
  if (tokens_.accept("RENAME")) return rename_item();
  bool change = tokens_.peek().is("CHANGE");
  if (change || tokens_.peek().is("MODIFY")) {
    tokens_.next();
    tokens_.accept("COLUMN");
    TableItem made;
    made.verb = Verb::kChangeColumn;
    made.conditional = accept_if_exists();
    if (change && !take_name(made.name)) return false;
    if (!column(made.column)) return false;
    if (!change) made.name = made.column.name;
    out_.items.push_back(std::move(made));
    return true;
  }
  if (tokens_.accept("ALTER")) {  // defaults, visibility, checks
    if (!peek_any({"INDEX", "KEY", "CHECK", "CONSTRAINT"})) {
      tokens_.accept("COLUMN");
      TableItem& made = item(Verb::kAlterColumn);
      made.conditional = accept_if_exists();
      if (!take_name(made.name)) return false;
    }
    skip_item();
    return !tokens_.peek().is_mark(')') || lost_here();
  }
  if (peek_pair("CONVERT", "TO")) {
    accept_all({"CONVERT", "TO"});
    TableItem& made = item(Verb::kConvertCharset);
    if (!take_charset(made.charset)) return false;
    return !tokens_.peek().is("COLLATE") || take_charset(made.charset);
  }
  // These end the statement, and none of them changes columns or keys.
  if (peek_pair("ORDER", "BY") ||
      peek_any({"PARTITION", "REMOVE", "COALESCE", "REORGANIZE", "ANALYZE", "OPTIMIZE", "REBUILD", "REPAIR", "EXCHANGE", "TRUNCATE",
                "IMPORT", "DISCARD", "CONVERT", "SECONDARY_LOAD", "SECONDARY_UNLOAD"})) {
    skip_to_end();
    return true;
  }
  return table_option();
}

bool DdlReader::add_item() {
  if (tokens_.peek().is("PARTITION")) {
    skip_to_end();
    return true;
  }
  bool is_column = tokens_.accept("COLUMN");
  if (!is_column && key_is_next()) return key(out_.items);
  if (!is_column && (peek_pair("PERIOD", "FOR") || peek_pair("SYSTEM", "VERSIONING"))) return lost_here();
  bool conditional = accept_if_exists();
  size_t first = out_.items.size();
  if (tokens_.accept_mark('(')) {
    do {
      if (!element(out_.items)) return false;
    } while (tokens_.accept_mark(','));
    if (!tokens_.accept_mark(')')) return lost_here();
  } else {
    TableItem& made = item(Verb::kAddColumn);
    if (!column(made.column)) return false;
  }
  for (size_t i = first; i < out_.items.size(); ++i) out_.items[i].conditional = conditional;
  return true;
}

bool DdlReader::drop_item() {
  tokens_.accept("DROP");
  if (accept_all({"PRIMARY", "KEY"})) {
    item(Verb::kDropKey).name = "PRIMARY";
    return true;
  }
  if (tokens_.peek().is("PARTITION")) {
    skip_to_end();
    return true;
  }
  if (peek_pair("SYSTEM", "VERSIONING") || peek_pair("PERIOD", "FOR")) return lost_here();
  std::string ignored;
  if (accept_all({"FOREIGN", "KEY"}) || tokens_.accept("CHECK")) {
    accept_if_exists();
    return take_name(ignored);
  }
  Verb verb = Verb::kDropColumn;
  if (tokens_.accept("INDEX") || tokens_.accept("KEY")) verb = Verb::kDropKey;
  else if (tokens_.accept("CONSTRAINT")) verb = Verb::kDropConstraint;
  else tokens_.accept("COLUMN");
  bool conditional = accept_if_exists();
  TableItem& made = item(verb);
  made.conditional = conditional;
  if (!take_name(made.name)) return false;
  if (verb == Verb::kDropColumn && !tokens_.accept("RESTRICT")) tokens_.accept("CASCADE");
  return true;
}

bool DdlReader::rename_item() {
  bool is_column = tokens_.accept("COLUMN");
  bool is_key = !is_column && (tokens_.accept("INDEX") || tokens_.accept("KEY"));
  TableItem made;
  if (is_column || is_key) {
    made.verb = is_column ? Verb::kRenameColumn : Verb::kRenameKey;
    made.conditional = accept_if_exists();
    if (!take_name(made.name)) return false;
    if (!tokens_.accept("TO")) return lost_here();
    if (!take_name(made.new_name)) return false;
  } else {
    made.verb = Verb::kRenameTable;
    if (!tokens_.accept("TO") && !tokens_.accept("AS")) tokens_.accept_mark('=');
    DdlName name;
    if (!take_table(name)) return false;
    made.database = std::move(name.database);
    made.new_name = std::move(name.table);
  }
  out_.items.push_back(std::move(made));
  return true;
}

bool DdlReader::drop() {
  if (tokens_.peek().is("TEMPORARY")) return true;
  for (std::string_view word : {"ONLINE", "OFFLINE"}) tokens_.accept(word);
  if (tokens_.accept("INDEX")) {
    out_.kind = DdlStatement::Kind::kAlterTable;
    TableItem& made = item(Verb::kDropKey);
    made.conditional = accept_if_exists();
    if (!take_name(made.name)) return false;
    if (!tokens_.accept("ON")) return lost_here();
    if (!take_table(out_.tables.emplace_back())) return false;
    skip_to_end();
    return true;
  }
  if (tokens_.accept("DATABASE") || tokens_.accept("SCHEMA")) {
    out_.kind = DdlStatement::Kind::kDropDatabase;
    accept_if_exists();
    return take_name(out_.database);
  }
  if (!tokens_.accept("TABLE") && !tokens_.accept("TABLES")) return true;
  out_.kind = DdlStatement::Kind::kDropTables;
  accept_if_exists();
  do {
    if (!take_table(out_.tables.emplace_back())) return false;
  } while (tokens_.accept_mark(','));
  return true;
}

bool DdlReader::rename() {
  if (!tokens_.accept("TABLE") && !tokens_.accept("TABLES")) return true;
  out_.kind = DdlStatement::Kind::kRenameTables;
  accept_if_exists();
  do {
    DdlName from, to;
    if (!take_table(from)) return false;
    lock_options();
    if (!tokens_.accept("TO")) return lost_here();
    if (!take_table(to)) return false;
    out_.tables.push_back(std::move(from));
    out_.tables.push_back(std::move(to));
  } while (tokens_.accept_mark(','));
  return true;
}

DdlStatement read_ddl(std::string_view sql, std::string_view database, const SqlReading& reading) {
  return DdlReader(sql, database, reading).read();
}

}  // namespace tailrace
