#include "format/ddl_type.h"

#include <algorithm>
#include <array>

namespace tailrace {
namespace {

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_word(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9'); }

void skip_blanks_and_comments(std::string_view& sql) noexcept {
  auto drop_to = [&](std::string_view end) {
    size_t at = sql.find(end);
    sql.remove_prefix(at == std::string_view::npos ? sql.size() : at + end.size());
  };
  while (!sql.empty()) {
    if (is_blank(sql[0])) {
      sql.remove_prefix(1);
    } else if (sql[0] == '#' || sql.substr(0, 3) == "-- ") {
      drop_to("\n");
    } else if (sql.substr(0, 3) == "/*!" || sql.substr(0, 4) == "/*M!") {  // executable comment: its words count
      sql.remove_prefix(sql[2] == '!' ? 3 : 4);
      while (!sql.empty() && sql[0] >= '0' && sql[0] <= '9') sql.remove_prefix(1);
    } else if (sql.substr(0, 2) == "*/") {
      sql.remove_prefix(2);
    } else if (sql.substr(0, 2) == "/*") {
      sql.remove_prefix(2);
      drop_to("*/");
    } else {
      return;
    }
  }
}

std::string next_word(std::string_view& sql) {
  skip_blanks_and_comments(sql);
  size_t n = 0;
  while (n < sql.size() && is_word(sql[n])) ++n;
  std::string word(sql.substr(0, n));
  sql.remove_prefix(n);
  for (char& c : word) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return word;
}

constexpr std::array<std::string_view, 12> kObjects = {"TABLE",    "INDEX", "DATABASE", "VIEW", "TRIGGER", "PROCEDURE",
                                                       "FUNCTION", "EVENT", "SEQUENCE", "USER", "ROLE",    "SERVER"};

}  // namespace

std::string_view ddl_text(std::string_view sql) noexcept {
  std::string_view text = sql;
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  if (text.empty() || text.back() != ';') return sql;
  text.remove_suffix(1);
  return text;
}

std::string ddl_type(std::string_view sql) {
  std::string verb = next_word(sql);
  if (verb.empty()) return verb;
  if (verb == "TRUNCATE") return "TRUNCATE_TABLE";  // the word TABLE may be missing
  for (int i = 0; i < 12; ++i) {
    std::string word = next_word(sql);
    if (word == "SCHEMA") word = "DATABASE";
    if (std::find(kObjects.begin(), kObjects.end(), word) != kObjects.end()) return verb + "_" + word;
    if (word.empty()) {  // '=', '@', '`' and the like in a definer or algorithm clause
      if (sql.empty()) break;
      sql.remove_prefix(1);
    }
  }
  return verb;
}

std::string ddl_type(const ChangeEvent& event, std::string_view known) {
  if (!known.empty()) return std::string(known);
  return event.op == Op::kTruncate ? std::string("TRUNCATE_TABLE") : ddl_type(event.sql);
}

std::string_view canal_ddl_type(std::string_view type) noexcept {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"CREATE_TABLE", "CREATE"}, {"ALTER_TABLE", "ALTER"},   {"DROP_TABLE", "ERASE"},  {"TRUNCATE_TABLE", "TRUNCATE"},
      {"RENAME_TABLE", "RENAME"}, {"CREATE_INDEX", "CINDEX"}, {"DROP_INDEX", "DINDEX"},
  };
  for (auto [mine, theirs] : kNames) {
    if (mine == type) return theirs;
  }
  return "QUERY";
}

}  // namespace tailrace
