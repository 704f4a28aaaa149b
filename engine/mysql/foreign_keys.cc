#include "mysql/foreign_keys.h"

#include <fmt/format.h>

#include "mysql/sql_tokens.h"

namespace tailrace {
namespace {

constexpr unsigned kNoSuchTable = 1146;

// `a` or `a`.`b`, with the database given where the text names none.
std::string read_name(SqlTokens& tokens, std::string database) {
  std::string name = tokens.next().text;
  if (tokens.accept_mark('.')) {
    database = std::move(name);
    name = tokens.next().text;
  }
  return database + "." + name;
}

void skip_columns(SqlTokens& tokens) {
  if (!tokens.accept_mark('(')) return;
  while (!tokens.at_end() && !tokens.accept_mark(')')) tokens.next();
}

// Behind REFERENCES parent (columns): what happens to the child, as far as something does.
std::string read_actions(SqlTokens& tokens) {
  std::string out;
  while (tokens.accept("ON")) {
    std::string event = tokens.next().text;
    std::string action;
    if (tokens.accept("CASCADE")) {
      action = "CASCADE";
    } else if (tokens.accept("SET")) {
      action = "SET " + tokens.next().text;
    } else {
      if (tokens.accept("NO")) tokens.accept("ACTION");
      else tokens.accept("RESTRICT");
      continue;
    }
    out += fmt::format("{}ON {} {}", out.empty() ? "" : " ", event, action);
  }
  return out;
}

}  // namespace

std::vector<SilentKey> read_silent_keys(std::string_view create_table, const std::string& database, const std::string& table) {
  std::vector<SilentKey> out;
  SqlTokens tokens(create_table, false);
  while (!tokens.at_end()) {
    if (!tokens.accept("CONSTRAINT")) {
      tokens.next();
      continue;
    }
    SilentKey key;
    key.table = database + "." + table;
    if (tokens.peek().is_name()) key.constraint = tokens.next().text;
    if (!tokens.accept("FOREIGN") || !tokens.accept("KEY")) continue;
    skip_columns(tokens);
    if (!tokens.accept("REFERENCES")) continue;
    key.parent = read_name(tokens, database);
    skip_columns(tokens);
    key.actions = read_actions(tokens);
    if (!key.actions.empty()) out.push_back(std::move(key));
  }
  return out;
}

Result<std::vector<SilentKey>> silent_keys(Connection& connection, const std::vector<SchemaRef>& tables) {
  std::vector<SilentKey> out;
  if (!connection.server().is_mariadb) {
    // From 9.6 on the SQL layer carries out foreign keys, and the log has what they do.
    TAILRACE_TRY(QueryResult native, connection.query("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'"));
    const auto* value = native.rows.empty() ? nullptr : native.find(0, "Value");
    if (value && *value == "OFF") return out;
  }
  // information_schema shows foreign keys of MariaDB only to accounts that may write the table.
  for (const SchemaRef& table : tables) {
    auto shown = connection.query(fmt::format("SHOW CREATE TABLE {}.{}", quote_name(table->database), quote_name(table->table)));
    if (!shown.ok() && connection.last_error() == kNoSuchTable) continue;
    if (!shown.ok()) return std::move(shown).status();
    const auto* text = shown->rows.empty() ? nullptr : shown->find(0, "Create Table");
    if (!text || !*text) continue;
    for (SilentKey& key : read_silent_keys(**text, table->database, table->table)) out.push_back(std::move(key));
  }
  return out;
}

}  // namespace tailrace
