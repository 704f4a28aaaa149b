// DdlReader, second part: columns and keys.
#include <charconv>

#include "mysql/ddl_reader.h"

namespace tailrace {
namespace {

bool to_number(std::string_view text, uint64_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool DdlReader::key_is_next() const {
  if (peek_any({"PRIMARY", "UNIQUE", "KEY", "INDEX", "FULLTEXT", "SPATIAL", "FOREIGN", "CONSTRAINT", "CHECK"})) return true;
  return peek_pair("VECTOR", "INDEX") || peek_pair("VECTOR", "KEY");
}

bool DdlReader::key(std::vector<TableItem>& items) {
  TableItem made;
  made.verb = TableItem::Verb::kAddKey;
  KeyClause& key = made.key;
  std::string constraint;
  if (tokens_.accept("CONSTRAINT")) {
    accept_if_exists();
    if (!peek_any({"PRIMARY", "UNIQUE", "FOREIGN", "CHECK"}) && !take_name(constraint)) return false;
  }
  if (tokens_.accept("CHECK")) {
    if (!skip_parentheses()) return false;
    skip_item();
    return true;
  }
  bool named = true;
  if (tokens_.accept("PRIMARY")) {
    if (!tokens_.accept("KEY")) return lost_here();
    key.kind = KeyClause::Kind::kPrimary;
  } else if (tokens_.accept("UNIQUE")) {
    key.kind = KeyClause::Kind::kUnique;
    if (!tokens_.accept("KEY")) tokens_.accept("INDEX");
  } else if (tokens_.accept("FOREIGN")) {
    if (!tokens_.accept("KEY")) return lost_here();
    key.kind = KeyClause::Kind::kForeign;
  } else if (tokens_.accept("KEY") || tokens_.accept("INDEX")) {
  } else if (tokens_.accept("FULLTEXT") || tokens_.accept("SPATIAL") || tokens_.accept("VECTOR")) {
    if (!tokens_.accept("KEY")) tokens_.accept("INDEX");
  } else {
    return lost_here();
  }
  key.if_not_exists = accept_if_exists();
  named = tokens_.peek().is_name() && !peek_any({"USING", "TYPE"});
  if (named && !take_name(key.name)) return false;
  if (key.kind == KeyClause::Kind::kPrimary) key.name = "PRIMARY";
  else if (!constraint.empty() && (key.name.empty() || key.kind == KeyClause::Kind::kForeign)) key.name = constraint;
  if (tokens_.accept("USING") || tokens_.accept("TYPE")) tokens_.next();
  if (!key_parts(key)) return false;
  skip_item();  // options of the key, what it references
  items.push_back(std::move(made));
  return true;
}

bool DdlReader::key_parts(KeyClause& key) {
  if (!tokens_.accept_mark('(')) return lost_here();
  do {
    KeyPartClause& part = key.parts.emplace_back();
    if (tokens_.peek().is_mark('(')) {
      if (!skip_parentheses()) return false;
    } else {
      if (!take_name(part.column)) return false;
      if (tokens_.accept_mark('(')) {
        uint64_t prefix = 0;
        if (!to_number(tokens_.peek().raw, prefix)) return lost_here();
        part.prefix = static_cast<uint32_t>(prefix);
        tokens_.next();
        if (!tokens_.accept_mark(')')) return lost_here();
      }
    }
    if (!tokens_.accept("ASC")) tokens_.accept("DESC");
  } while (tokens_.accept_mark(','));
  return tokens_.accept_mark(')') || lost_here();
}

bool DdlReader::column(ColumnClause& out) {
  if (!take_name(out.name) || !type(out.type)) return false;
  if (out.type.word == "serial") {
    out.type.word = "bigint";
    out.type.is_unsigned = out.auto_increment = out.unique = true;
    out.nullable = false;
  }
  // Partitions may follow the last change of an ALTER TABLE without a comma.
  while (!at_item_end() && !peek_pair("PARTITION", "BY") && !peek_pair("REMOVE", "PARTITIONING")) {
    if (!attribute(out)) return false;
  }
  return true;
}

bool DdlReader::type(TypeClause& out) {
  if (tokens_.peek().kind != SqlToken::Kind::kWord) return lost_here();
  out.word = lower_ascii(tokens_.next().raw);
  auto varying = [&] { return tokens_.accept("VARYING"); };
  if (out.word == "national") {
    out.national = true;
    if (tokens_.peek().kind != SqlToken::Kind::kWord) return lost_here();
    out.word = lower_ascii(tokens_.next().raw);
    if (out.word != "char" && out.word != "character" && out.word != "varchar" && out.word != "varcharacter") return lost("NATIONAL");
  } else if (out.word == "nchar") {
    out.national = true;
    out.word = tokens_.accept("VARCHAR") || tokens_.accept("VARCHARACTER") ? "varchar" : "char";
  } else if (out.word == "nvarchar") {
    out.national = true;
    out.word = "varchar";
  } else if (out.word == "long") {
    out.word = "mediumtext";
    if (tokens_.accept("VARBINARY")) {
      out.word = "mediumblob";
    } else if (tokens_.accept("CHAR") || tokens_.accept("CHARACTER")) {
      if (!varying()) return lost_here();
    } else if (!tokens_.accept("VARCHAR")) {
      tokens_.accept("VARCHARACTER");
    }
  } else if (out.word == "double") {
    tokens_.accept("PRECISION");
  }
  if (out.word == "character") out.word = "char";
  if (out.word == "varcharacter") out.word = "varchar";
  if (out.word == "char" && varying()) out.word = "varchar";
  if (!tokens_.accept_mark('(')) return true;
  bool labels = out.word == "enum" || out.word == "set";
  do {
    if (labels) {
      if (tokens_.peek().kind != SqlToken::Kind::kString) return lost_here();
      out.labels.push_back(tokens_.next().text);
      continue;
    }
    uint64_t number = 0;
    if (!to_number(tokens_.peek().raw, number)) return lost_here();
    out.numbers.push_back(number);
    tokens_.next();
  } while (tokens_.accept_mark(','));
  return tokens_.accept_mark(')') || lost_here();
}

bool DdlReader::attribute(ColumnClause& out) {
  TypeClause& type = out.type;
  if (charset_is_next() && !tokens_.peek().is("DEFAULT")) return take_charset(type.charset);
  if (tokens_.accept("UNSIGNED")) return type.is_unsigned = true;
  if (tokens_.accept("SIGNED")) return true;
  if (tokens_.accept("ZEROFILL")) return type.zerofill = true;
  if (tokens_.accept("BINARY")) return type.binary = true;
  if (tokens_.accept("BYTE")) return type.bytes = true;
  if (tokens_.accept("ASCII") || tokens_.peek().is("UNICODE")) {
    type.charset.charset = tokens_.accept("UNICODE") ? "ucs2" : "latin1";
    return true;
  }
  if (tokens_.accept("COMPRESSED")) {
    if (tokens_.accept_mark('=')) tokens_.next();
    return type.compressed = true;
  }
  if (tokens_.accept("NOT")) {
    if (tokens_.accept("SECONDARY") || tokens_.accept("ENFORCED")) return true;
    if (!tokens_.accept("NULL")) return lost_here();
    out.nullable = false;
    return true;
  }
  if (tokens_.accept("NULL")) {
    out.nullable = true;
    return true;
  }
  if (tokens_.accept("DEFAULT")) {
    take_default(out);
    return skip_default();
  }
  if (tokens_.accept("ON")) return tokens_.accept("UPDATE") ? skip_default() : lost_here();
  if (tokens_.accept("AUTO_INCREMENT")) return out.auto_increment = true;
  if (accept_all({"SERIAL", "DEFAULT", "VALUE"})) {
    out.nullable = false;
    return out.auto_increment = out.unique = true;
  }
  if (tokens_.accept("PRIMARY")) {
    tokens_.accept("KEY");
    return out.primary = true;
  }
  if (tokens_.accept("KEY")) return out.primary = true;
  if (tokens_.accept("UNIQUE")) {
    tokens_.accept("KEY");
    return out.unique = true;
  }
  if (tokens_.accept("COMMENT") || tokens_.accept("COLUMN_FORMAT") || tokens_.accept("STORAGE") || tokens_.accept("SRID")) {
    if (at_item_end()) return lost_here();
    tokens_.next();
    return true;
  }
  if (accept_all({"GENERATED", "ALWAYS"}) || tokens_.peek().is("AS")) {
    if (!tokens_.accept("AS")) return lost_here();
    if (tokens_.peek().is("ROW")) return lost("AS ROW");  // system versioning
    out.generated = true;
    return skip_parentheses();
  }
  if (tokens_.accept("VIRTUAL")) return true;
  if (tokens_.accept("STORED") || tokens_.accept("PERSISTENT")) return out.stored = true;
  if (tokens_.accept("CONSTRAINT")) {
    if (!tokens_.peek().is("CHECK") && !tokens_.peek().is("REFERENCES")) tokens_.next();
    return peek_any({"CHECK", "REFERENCES"}) || lost_here();
  }
  if (tokens_.accept("CHECK")) return skip_parentheses();
  if (tokens_.accept("REFERENCES")) {
    out.references = true;
    return skip_reference();
  }
  for (std::string_view word : {"VISIBLE", "INVISIBLE", "ENFORCED"}) {
    if (tokens_.accept(word)) return true;
  }
  if (accept_all({"WITHOUT", "SYSTEM", "VERSIONING"})) return true;
  if (tokens_.accept("FIRST")) return out.first = true;
  if (tokens_.accept("AFTER")) return take_name(out.after);
  // Options of engines: name = value; ENGINE_ATTRIBUTE takes no sign.
  SqlTokens ahead = tokens_;
  ahead.next();
  if (!tokens_.peek().is_name() || (!ahead.peek().is_mark('=') && !peek_any({"ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"}))) {
    return lost_here();
  }
  tokens_.next();
  tokens_.accept_mark('=');
  if (at_item_end()) return lost_here();
  tokens_.next();
  return true;
}

// What the default is that comes next, as far as it is a plain literal. Takes nothing.
void DdlReader::take_default(ColumnClause& out) const {
  using Default = ColumnClause::Default;
  SqlTokens ahead = tokens_;
  out.default_text.clear();
  out.default_kind = Default::kNotFollowed;
  auto digits_next = [&] { return !ahead.peek().raw.empty() && ahead.peek().raw[0] >= '0' && ahead.peek().raw[0] <= '9'; };
  if (ahead.accept("NULL")) {
    out.default_kind = Default::kNull;
  } else if (ahead.accept("TRUE") || ahead.peek().is("FALSE")) {
    out.default_kind = Default::kLiteral;
    out.default_text = ahead.accept("FALSE") ? "0" : "1";
  } else if (ahead.peek().kind == SqlToken::Kind::kString) {
    out.default_kind = Default::kLiteral;
    while (ahead.peek().kind == SqlToken::Kind::kString) out.default_text += ahead.next().text;
  } else if (ahead.peek().is("b")) {
    ahead.next();
    if (ahead.peek().kind != SqlToken::Kind::kString) return;
    out.default_kind = Default::kLiteral;
    out.default_text = "b'" + ahead.next().text + "'";
  } else if (ahead.peek().is_mark('(') || ahead.peek().is("CURRENT_TIMESTAMP") || ahead.peek().is("NOW")) {
    out.default_kind = Default::kComputed;
  } else {
    if (ahead.accept_mark('-')) out.default_text = "-";
    if (!digits_next()) return;
    out.default_text += ahead.next().raw;
    if (ahead.accept_mark('.')) {
      if (!digits_next()) return;
      out.default_text += "." + std::string(ahead.next().raw);
    }
    bool plain = out.default_text.find_first_not_of("-.0123456789") == std::string::npos;
    if (plain) out.default_kind = Default::kLiteral;
  }
}

// A literal, a function, or an expression in parentheses.
bool DdlReader::skip_default() {
  if (tokens_.peek().is_mark('(')) return skip_parentheses();
  if (!tokens_.accept_mark('-')) tokens_.accept_mark('+');
  if (accept_all({"NEXT", "VALUE", "FOR"})) {
    DdlName sequence;
    return take_table(sequence);
  }
  bool any = false;
  while (tokens_.peek().kind == SqlToken::Kind::kString) {
    any = true;
    tokens_.next();
  }
  if (any) return true;
  auto begins_with_digit = [&] { return !tokens_.peek().raw.empty() && tokens_.peek().raw[0] >= '0' && tokens_.peek().raw[0] <= '9'; };
  if (tokens_.peek().is_mark('.') || begins_with_digit()) {
    SqlToken last;
    if (begins_with_digit()) last = tokens_.next();
    if (tokens_.accept_mark('.') && begins_with_digit()) last = tokens_.next();
    bool hexadecimal = last.raw.size() > 1 && (last.raw[1] == 'x' || last.raw[1] == 'X');
    bool exponent = !last.raw.empty() && (last.raw.back() == 'e' || last.raw.back() == 'E') && !hexadecimal;
    if (exponent && (tokens_.accept_mark('-') || tokens_.accept_mark('+'))) tokens_.next();
    return true;
  }
  if (!tokens_.peek().is_name()) return lost_here();
  tokens_.next();
  if (tokens_.peek().kind == SqlToken::Kind::kString) {  // b'0', x'00', _latin1'a', DATE '2000-01-01'
    tokens_.next();
    return true;
  }
  while (tokens_.accept_mark('.')) tokens_.next();
  return !tokens_.peek().is_mark('(') || skip_parentheses();
}

bool DdlReader::skip_reference() {
  DdlName table;
  if (!take_table(table)) return false;
  if (tokens_.peek().is_mark('(') && !skip_parentheses()) return false;
  while (true) {
    if (tokens_.accept("MATCH")) {
      tokens_.next();
    } else if (peek_pair("ON", "DELETE") || peek_pair("ON", "UPDATE")) {
      tokens_.next();
      tokens_.next();
      if (!accept_all({"SET", "NULL"}) && !accept_all({"SET", "DEFAULT"}) && !accept_all({"NO", "ACTION"}) && !tokens_.accept("RESTRICT") &&
          !tokens_.accept("CASCADE")) {
        return lost_here();
      }
    } else {
      return true;
    }
  }
}

}  // namespace tailrace
