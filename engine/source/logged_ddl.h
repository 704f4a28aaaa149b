// A logged statement with all that its effect on schemas depends on.
#pragma once
#include <string>

#include "mysql/binlog_event.h"
#include "mysql/ddl_apply.h"
#include "mysql/ddl_statement.h"

namespace tailrace {

struct LoggedDdl {
  std::string sql;  // UTF-8
  std::string database;
  SqlReading reading;
  DdlContext context;      // but for the collation of the database
  bool failed = false;     // at the server, which logged it all the same: something had been done
  std::string unreadable;  // why its effect cannot be told; "" = it can
};

LoggedDdl logged_ddl(const QueryEvent& query, const FormatDescription& format);

// Which text columns have got a character set that lacks characters of the one before, for people; "" = none. A server that is not
// strict puts '?' for such characters and logs no row of it.
std::string narrowed_columns(const TableSchema& before, const TableSchema& now);

}  // namespace tailrace
