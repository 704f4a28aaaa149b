// Binds a Value in the form the SQLite sink stores it.
#pragma once
#include <string>

#include "event/schema.h"
#include "event/value.h"
#include "sqlite/database.h"

namespace tailrace {

// `scratch` keeps a text form alive until the statement is reset; text of the value itself is bound in place.
// REQUIRES: not absent.
void bind_value(sqlite::Statement& statement, int at, const Value& value, const Column& column, std::string& scratch);

}  // namespace tailrace
