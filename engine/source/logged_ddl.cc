#include "source/logged_ddl.h"

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

}  // namespace

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
