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

}  // namespace tailrace
