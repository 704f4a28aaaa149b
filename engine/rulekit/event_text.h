// What the rules made of an event, as the text behind an arrow of a case file, and tables as CREATE and ALTER TABLE.
#pragma once
#include <string>
#include <vector>

#include "event/change_event.h"

namespace tailrace {

// "insert dw.user (id=1, email='j***@x.io') topic='users'"; a message the rules made themselves is
// "record topic='…' key='…' value='…'"; a schema change is "ddl ALTER TABLE …", "" when the target does not change.
// Of a delete only the key is shown, where there is one.
std::string arrow_text(const ChangeEvent& event);
// Both images with all they hold, for comparing two rule versions.
void append_event(const ChangeEvent& event, std::string& out);

enum class Charsets : bool { kLeftOut, kWritten };
std::string create_table_text(const TableSchema& schema, Charsets charsets);
// "" when nothing changes that rows show.
std::string alter_table_text(const TableSchema& before, const TableSchema& after);

}  // namespace tailrace
