// DdlReader: the recursive descent behind read_ddl, in two files: ddl_statement.cc (statements and the parts of a table),
// ddl_column.cc (one column, its type, one key). Every function that returns bool is false once something could not be
// followed; what it was is then in `out_.not_followed`.
#pragma once
#include <initializer_list>
#include <string>

#include "mysql/ddl_statement.h"

namespace tailrace {

class DdlReader {
 public:
  DdlReader(std::string_view sql, std::string_view database, const SqlReading& reading) : tokens_(sql, reading), database_(database) {}
  DdlStatement read();

 private:
  bool lost(std::string_view what);
  bool lost_here();                                                // names the token that was not expected
  bool accept_all(std::initializer_list<std::string_view> words);  // all of them in a row, or none taken
  bool peek_any(std::initializer_list<std::string_view> words) const;
  bool peek_pair(std::string_view first, std::string_view second) const;
  bool take_name(std::string& out);
  bool take_table(DdlName& out);
  bool skip_parentheses();
  void skip_to_end();
  void skip_item();  // up to a comma or the closing parenthesis of the list
  bool at_item_end() const;
  bool accept_if_exists();  // IF EXISTS, IF NOT EXISTS

  bool create();
  bool create_table();
  bool create_index(KeyClause::Kind kind);
  bool alter();
  bool drop();
  bool rename();
  bool database_options();
  bool element(std::vector<TableItem>& items);  // of a column list: column or key
  bool alter_item();
  bool add_item();
  bool drop_item();
  bool rename_item();
  bool table_option();
  bool take_charset(CharsetClause& out);  // the clause that is next; must be one
  bool charset_is_next() const;
  void lock_options();  // WAIT n, NOWAIT
  TableItem& item(TableItem::Verb verb);

  bool key_is_next() const;
  bool key(std::vector<TableItem>& items);
  bool key_parts(KeyClause& key);
  bool column(ColumnClause& out);  // name and definition
  bool type(TypeClause& out);
  bool attribute(ColumnClause& out);
  void take_default(ColumnClause& out) const;
  bool skip_default();
  bool skip_reference();

  SqlTokens tokens_;
  std::string_view database_;
  DdlStatement out_;
};

}  // namespace tailrace
