#include "source/logged_ddl.h"

#include <fmt/format.h>

#include <charconv>

#include "mysql/charset.h"

namespace tailrace {
namespace {

// "10.11.19-MariaDB-log" -> 101119, "9.7.4" -> 90704; MariaDB may put "5.5.5-" before its own version.
uint32_t version_of(const FormatDescription& format) {
  std::string_view text = format.server_version;
  if (format.is_mariadb && text.substr(0, 6) == "5.5.5-") text.remove_prefix(6);
  uint32_t out = 0;
  for (int part = 0; part < 3; ++part) {
    uint32_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return 0;
    out = out * 100 + number;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (part < 2 && (text.empty() || text[0] != '.')) return 0;
    if (!text.empty()) text.remove_prefix(1);
  }
  return out;
}

bool has_all_of_unicode(const Charset& charset) {
  return charset.name == "utf8mb4" || charset.name == "utf16" || charset.name == "utf16le" || charset.name == "utf32" ||
         charset.name == "gb18030";
}

bool can_lose(const Charset& from, const Charset& to) {
  bool knows_both = !from.name.empty() && !to.name.empty() && from.codec != TextCodec::kBinary && to.codec != TextCodec::kBinary;
  if (!knows_both || from.name == to.name || from.codec == TextCodec::kAscii || has_all_of_unicode(to)) return false;
  bool has_basic_plane = to.codec == TextCodec::kUtf8 || to.codec == TextCodec::kUcs2;
  return !has_basic_plane || has_all_of_unicode(from);
}

}  // namespace

std::string narrowed_columns(const TableSchema& before, const TableSchema& now) {
  std::string out;
  for (const Column& column : now.columns) {
    int at = before.find_column(column.name);
    if (at < 0 || column.charset == 0) continue;
    const Column& earlier = before.columns[static_cast<size_t>(at)];
    const Charset &from = *charset_of_collation(earlier.charset), &to = *charset_of_collation(column.charset);
    if (earlier.charset == 0 || !can_lose(from, to)) continue;
    out += fmt::format("{}{} became {} and was {}", out.empty() ? "" : ", ", column.name, to.name, from.name);
  }
  if (out.empty()) return out;
  return out + ": characters that it lacks are '?' at the source from here on, which is not logged; rows copied earlier keep them";
}

LoggedDdl logged_ddl(const QueryEvent& query, const FormatDescription& format) {
  LoggedDdl out;
  out.database = std::string(query.database);
  out.reading.ansi_quotes = query.ansi_quotes;
  out.reading.no_backslash_escapes = (query.sql_mode & kSqlModeNoBackslashEscapes) != 0;
  out.reading.is_mariadb = out.context.is_mariadb = format.is_mariadb;
  out.reading.version = out.context.version = version_of(format);
  out.context.real_as_float = (query.sql_mode & kSqlModeRealAsFloat) != 0;
  out.context.explicit_timestamps = query.explicit_timestamps;
  out.context.server_collation = query.server_collation;
  out.context.utf8mb4_collation = query.utf8mb4_collation;
  out.context.charset_collations = query.charset_collations;
  if (format.is_mariadb && (query.sql_mode & kSqlModeOracle)) out.unreadable = "sql_mode=ORACLE";
  out.failed = query.error_code != 0;
  if (out.failed) out.unreadable = "the statement failed at the server and may have been done in part";
  const Charset& charset = *charset_of_collation(query.client_collation);
  bool as_it_is = is_ascii(query.sql) || query.client_collation == 0 || charset.codec == TextCodec::kUtf8;
  if (as_it_is) {
    out.sql = std::string(query.sql);
  } else if (charset.codec == TextCodec::kUnknown || charset.codec == TextCodec::kBinary || !append_utf8(charset, query.sql, out.sql)) {
    out.sql = std::string(query.sql);
    out.unreadable = "the statement's own character set cannot be read";
  }
  if (!is_utf8(out.sql)) out.unreadable = "the statement is not in its own character set";
  return out;
}

}  // namespace tailrace
