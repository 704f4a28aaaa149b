#include "mysql/create_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "mysql/charset.h"
#include "mysql/sql_tokens.h"
#include "mysql/type_info.h"

namespace tailrace {
namespace {

struct ColumnText {
  std::string name, type, charset, collation;
  bool nullable = true, generated = false;
};

uint16_t collation_of(std::string_view charset, std::string_view collation) {
  if (charset.empty() && !collation.empty()) charset = collation.substr(0, collation.find('_'));
  return default_collation(charset);
}

bool is_character_type(std::string_view type) {
  for (std::string_view word : {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}) {
    if (type.size() < word.size()) continue;
    bool same = std::equal(word.begin(), word.end(), type.begin(), [](char a, char b) { return a == (b | 0x20); });
    if (same && (type.size() == word.size() || !((type[word.size()] | 0x20) >= 'a' && (type[word.size()] | 0x20) <= 'z'))) return true;
  }
  return false;
}

class FileReader {
 public:
  explicit FileReader(std::string_view sql) : sql_(sql), tokens_(sql, false) {}

  Result<std::vector<SchemaRef>> read() {
    while (!tokens_.at_end()) {
      if (tokens_.accept("USE")) {
        database_ = tokens_.next().text;
      } else if (tokens_.accept("CREATE")) {
        if (tokens_.accept("OR")) tokens_.accept("REPLACE");
        if (tokens_.accept("TABLE")) TAILRACE_OK(table());
      }
      skip_statement();
    }
    return std::move(schemas_);
  }

 private:
  Status bad(std::string_view what) const {
    auto line = std::count(sql_.begin(), sql_.begin() + static_cast<long>(tokens_.offset()), '\n') + 1;
    return Status(ErrorCode::kConfigSyntax, fmt::format("line {}: {}", line, what)).with("table", table_name_);
  }
  void skip_statement() {
    while (!tokens_.at_end() && !tokens_.accept_mark(';')) tokens_.next();
  }
  // Skips a balanced (…) that is next.
  void skip_parentheses() {
    int depth = 0;
    do {
      if (tokens_.peek().is_mark('(')) ++depth;
      if (tokens_.peek().is_mark(')')) --depth;
      tokens_.next();
    } while (depth > 0 && !tokens_.at_end());
  }
  bool at_end_of_item() const { return tokens_.at_end() || tokens_.peek().is_mark(',') || tokens_.peek().is_mark(')'); }
  void skip_item() {
    while (!at_end_of_item()) {
      if (tokens_.peek().is_mark('(')) skip_parentheses();
      else tokens_.next();
    }
  }

  Status table() {
    if (tokens_.accept("IF")) {
      tokens_.accept("NOT");
      tokens_.accept("EXISTS");
    }
    schema_ = std::make_shared<TableSchema>();
    schema_->database = database_;
    schema_->table = tokens_.next().text;
    if (tokens_.accept_mark('.')) {
      schema_->database = std::move(schema_->table);
      schema_->table = tokens_.next().text;
    }
    table_name_ = schema_->qualified_name();
    columns_.clear();
    primary_.clear();
    unique_.clear();
    if (!tokens_.accept_mark('(')) return bad("a CREATE TABLE without a list of columns");
    do {
      TAILRACE_OK(item());
    } while (tokens_.accept_mark(','));
    if (!tokens_.accept_mark(')')) return bad("expected , or ) after a column");
    std::string charset, collation;
    while (!tokens_.at_end() && !tokens_.peek().is_mark(';')) charset_option(charset, collation, true);
    return finish(collation_of(charset, collation));
  }

  // CHARACTER SET x, CHARSET x, COLLATE x, with an optional '='; takes one token of anything else.
  void charset_option(std::string& charset, std::string& collation, bool table_level) {
    if (table_level) tokens_.accept("DEFAULT");
    bool is_charset = tokens_.accept("CHARSET") || (tokens_.accept("CHARACTER") && tokens_.accept("SET"));
    bool is_collate = !is_charset && tokens_.accept("COLLATE");
    if (!is_charset && !is_collate) {
      if (!tokens_.at_end() && !tokens_.peek().is_mark(';')) tokens_.next();
      return;
    }
    tokens_.accept_mark('=');
    (is_charset ? charset : collation) = tokens_.next().text;
  }

  Status item() {
    bool is_constraint = tokens_.accept("CONSTRAINT");
    if (is_constraint && !tokens_.peek().is("PRIMARY") && !tokens_.peek().is("UNIQUE") && !tokens_.peek().is("CHECK") &&
        !tokens_.peek().is("FOREIGN")) {
      tokens_.next();  // its name
    }
    if (tokens_.accept("PRIMARY")) return key_item(primary_, "KEY");
    if (tokens_.accept("UNIQUE")) {
      if (!tokens_.accept("KEY")) tokens_.accept("INDEX");
      return key_item(unique_.emplace_back(), "");
    }
    for (std::string_view word : {"KEY", "INDEX", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "PERIOD", "VECTOR"}) {
      if (!tokens_.peek().is(word)) continue;
      skip_item();
      return Status();
    }
    return is_constraint ? bad("a constraint that is no key and no check") : column();
  }
  Status key_item(std::vector<std::string>& names, std::string_view word) {
    if (!word.empty()) tokens_.accept(word);
    while (!tokens_.at_end() && !tokens_.peek().is_mark('(')) tokens_.next();  // a name, USING BTREE
    tokens_.accept_mark('(');
    while (!tokens_.at_end() && !tokens_.accept_mark(')')) {
      names.push_back(tokens_.next().text);
      while (!at_end_of_item()) {
        if (tokens_.peek().is_mark('(')) skip_parentheses();
        else tokens_.next();
      }
      tokens_.accept_mark(',');
    }
    skip_item();
    return Status();
  }

  Status column() {
    if (!tokens_.peek().is_name() || tokens_.peek().text.empty()) return bad("expected the name of a column");
    ColumnText column;
    column.name = tokens_.next().text;
    size_t start = tokens_.offset();
    tokens_.next();
    if (tokens_.peek().is("PRECISION") || tokens_.peek().is("VARYING")) tokens_.next();
    if (tokens_.peek().is_mark('(')) skip_parentheses();
    while (tokens_.peek().is("UNSIGNED") || tokens_.peek().is("SIGNED") || tokens_.peek().is("ZEROFILL")) tokens_.next();
    column.type = std::string(sql_.substr(start, tokens_.offset() - start));
    while (!column.type.empty() && static_cast<unsigned char>(column.type.back()) <= ' ') column.type.pop_back();
    while (!at_end_of_item()) {
      if (tokens_.accept("NOT")) {
        if (tokens_.accept("NULL")) column.nullable = false;
      } else if (tokens_.accept("PRIMARY")) {
        primary_.push_back(column.name);
      } else if (tokens_.accept("UNIQUE")) {
        unique_.push_back({column.name});
      } else if (tokens_.accept("AS") || tokens_.accept("GENERATED")) {
        column.generated = true;
      } else if (tokens_.peek().is_mark('(')) {
        skip_parentheses();
      } else if (tokens_.peek().is("CHARACTER") || tokens_.peek().is("CHARSET") || tokens_.peek().is("COLLATE")) {
        charset_option(column.charset, column.collation, false);
      } else {
        tokens_.next();
      }
    }
    columns_.push_back(std::move(column));
    return Status();
  }

  Status finish(uint16_t table_collation) {
    if (table_collation == 0) table_collation = default_collation("utf8mb4");
    for (const ColumnText& text : columns_) {
      uint16_t collation = collation_of(text.charset, text.collation);
      if (collation == 0 && is_character_type(text.type)) collation = table_collation;
      bool nullable = text.nullable && std::find(primary_.begin(), primary_.end(), text.name) == primary_.end();
      auto column = column_from_type(text.name, text.type, nullable, collation);
      if (!column.ok()) return std::move(column).status().with("table", table_name_);
      column->generated = text.generated;
      schema_->columns.push_back(std::move(*column));
    }
    auto indexes = [&](const std::vector<std::string>& names, std::vector<uint16_t>& out) {
      out.clear();
      for (const std::string& name : names) {
        int index = schema_->find_column(name);
        if (index < 0) return false;
        out.push_back(static_cast<uint16_t>(index));
      }
      return !out.empty();
    };
    if (!indexes(primary_, schema_->primary_key)) {
      schema_->primary_key.clear();
      for (const auto& names : unique_) {
        std::vector<uint16_t> key;
        bool usable = indexes(names, key) && std::none_of(key.begin(), key.end(), [&](uint16_t i) { return schema_->columns[i].nullable; });
        if (!usable) continue;
        schema_->primary_key = key;
        break;
      }
    }
    schema_->schema_id = next_schema_id();
    schemas_.push_back(std::move(schema_));
    return Status();
  }

  std::string_view sql_;
  SqlTokens tokens_;
  std::string database_, table_name_;
  std::shared_ptr<TableSchema> schema_;
  std::vector<ColumnText> columns_;
  std::vector<std::string> primary_;
  std::vector<std::vector<std::string>> unique_;
  std::vector<SchemaRef> schemas_;
};

}  // namespace

Result<std::vector<SchemaRef>> read_create_tables(std::string_view sql) { return FileReader(sql).read(); }

}  // namespace tailrace
