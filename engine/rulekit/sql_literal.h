// Literals and names of case files: every value has exactly one spelling, its canonical text (event/value_text.h)
// as a number, a quoted text or x'hex'. NULL is NULL; ABSENT is a column that is not in the row image.
#pragma once
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/status.h"
#include "event/schema.h"
#include "mysql/sql_tokens.h"

namespace tailrace {

// Takes the literal that is next as a value of the column; its text goes into the arena. Fails with kRuleCase.
Status read_literal(SqlTokens& tokens, const Column& column, Arena& arena, Value& out);
void append_literal(const Value& value, const Column& column, std::string& out);
void append_quoted(std::string_view text, std::string& out);
// In backticks where it is not a plain word.
void append_name(std::string_view name, std::string& out);

}  // namespace tailrace
