#include "mysql/create_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/options.h"
#include "mysql/charset.h"
#include "mysql/column_default.h"
#include "mysql/ddl_apply.h"
#include "mysql/sql_tokens.h"

namespace tailrace {
namespace {

class FileReader {
 public:
  explicit FileReader(std::string_view sql) : sql_(sql), tokens_(sql, SqlReading()) {}

  Result<std::vector<SchemaRef>> read() {
    while (!tokens_.at_end()) {
      size_t begin = tokens_.offset();
      bool is_table = false;
      if (tokens_.accept("USE")) {
        database_ = tokens_.next().text;
      } else if (tokens_.accept("CREATE")) {
        if (tokens_.accept("OR")) tokens_.accept("REPLACE");
        is_table = tokens_.peek().is("TABLE");
        if (!is_table) TAILRACE_OK(known_kind(begin));
      } else if (tokens_.peek().kind == SqlToken::Kind::kWord) {
        TAILRACE_OK(known_verb(begin));
      }
      while (!tokens_.at_end() && !tokens_.peek().is_mark(';')) tokens_.next();
      if (is_table) TAILRACE_OK(table(begin, tokens_.at_end() ? sql_.size() : tokens_.offset()));
      tokens_.next();
    }
    if (schemas_.empty()) return Status(ErrorCode::kConfigSyntax, "there is no CREATE TABLE statement in it");
    return std::move(schemas_);
  }

 private:
  Status wrong(size_t begin, std::string_view word, std::string_view near) const {
    auto line = std::count(sql_.begin(), sql_.begin() + static_cast<long>(begin), '\n') + 1;
    return Status(ErrorCode::kConfigSyntax, fmt::format("line {}: '{}' is no word of SQL here; did you mean {}?", line, word, near));
  }
  // What is passed over is passed over for what it is: a misspelt CREATE TABLE would be a table that is missing.
  Status known_verb(size_t begin) const {
    std::string word = lower_ascii(tokens_.peek().raw);
    const std::string create[] = {"create"};
    bool is_near = word.size() > 3 && !nearest_name(word, create).empty();
    return is_near ? wrong(begin, tokens_.peek().raw, "CREATE") : Status();
  }
  Status known_kind(size_t begin) const {
    std::string word = lower_ascii(tokens_.peek().raw);
    const std::string table[] = {"table"};
    return word.size() > 3 && !nearest_name(word, table).empty() ? wrong(begin, tokens_.peek().raw, "TABLE") : Status();
  }

  // Which family's server the file is of, it does not say: MariaDB's where its collations are.
  Status table(size_t begin, size_t end) {
    DdlStatement parsed = read_ddl(sql_.substr(begin, end - begin), database_, SqlReading());
    std::string name = parsed.tables.empty() ? "" : parsed.tables[0].database + "." + parsed.tables[0].table;
    if (parsed.kind == DdlStatement::Kind::kCreateLike && parsed.tables.size() == 2) return like(begin, parsed.tables[0], parsed.tables[1]);
    DdlContext context;
    context.database_collation = default_collation("utf8mb4");
    auto made = create_table(parsed, context);
    if (!made.ok()) {
      context.is_mariadb = true;
      if (auto other = create_table(parsed, context); other.ok()) made = std::move(other);
    }
    if (made.ok()) {
      schemas_.push_back(without_defaults(**made));  // they may be of another time
      return Status();
    }
    auto line = std::count(sql_.begin(), sql_.begin() + static_cast<long>(begin), '\n') + 1;
    ErrorCode code = made.status().code() == ErrorCode::kSchemaType ? ErrorCode::kSchemaType : ErrorCode::kConfigSyntax;
    return Status(code, fmt::format("line {}: {}", line, made.status().detail())).with("table", name);
  }

  Status like(size_t begin, const DdlName& table, const DdlName& other) {
    auto found = std::find_if(schemas_.begin(), schemas_.end(),
                              [&](const SchemaRef& schema) { return schema->database == other.database && schema->table == other.table; });
    if (found != schemas_.end()) {
      schemas_.push_back(renamed_table(**found, table));
      return Status();
    }
    auto line = std::count(sql_.begin(), sql_.begin() + static_cast<long>(begin), '\n') + 1;
    return Status(ErrorCode::kConfigSyntax,
                  fmt::format("line {0}: CREATE TABLE {1}.{2} LIKE {3}.{4}, and the file has no {3}.{4} above it: "
                              "write the columns of {3}.{4} there, or those of {1}.{2} here, as SHOW CREATE "
                              "TABLE prints them",
                              line, table.database, table.table, other.database, other.table))
        .with("table", table.database + "." + table.table);
  }

  std::string_view sql_;
  SqlTokens tokens_;
  std::string database_;
  std::vector<SchemaRef> schemas_;
};

}  // namespace

Result<std::vector<SchemaRef>> read_create_tables(std::string_view sql) { return FileReader(sql).read(); }

}  // namespace tailrace
