// Options: the settings of one plug-in, parsed and checked against its OptionSpec table.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tailrace {

// type: "string", "int", "bool", "bytes" (accepts 64MiB, 1GiB), "duration" (accepts 500ms, 5s, 1m; microseconds inside),
// "enum:a|b|c", "path", "list" (comma separated).
struct OptionSpec {
  std::string_view name, type, default_value, doc;
  bool required = false, secret = false;
};

class Options {
 public:
  // Unknown names fail with CFG-0002 and the nearest name; wrong types with CFG-0003; missing ones with CFG-0004.
  // `where` is put before names in messages, e.g. "sink"; `others` are names taken elsewhere, offered when they are near.
  static Result<Options> parse(std::string_view where, std::span<const OptionSpec> specs, const std::map<std::string, std::string>& given,
                               const std::vector<std::string>& others = {});
  // The value given or the default. REQUIRES: a name of the table.
  const std::string& text(std::string_view name) const;
  int64_t integer(std::string_view name) const;  // int, bytes, duration (us)
  bool boolean(std::string_view name) const;
  bool has(std::string_view name) const;  // given or with a non-empty default

 private:
  std::map<std::string, std::string, std::less<>> values_;
  std::map<std::string, int64_t, std::less<>> numbers_;
};

// The candidate nearest to `word` by edit distance, or "" when none is near.
std::string nearest_name(std::string_view word, std::span<const std::string> candidates);
Result<int64_t> parse_bytes(std::string_view text);
Result<int64_t> parse_duration_us(std::string_view text);

// scheme://[user[:password]@]host[:port]/path?key=value, percent-decoded.
struct Url {
  std::string scheme, user, password, host, path;
  uint16_t port = 0;
  std::map<std::string, std::string> query;
  bool has_password = false;
};
Result<Url> parse_url(std::string_view text);
// The URL without its password, fit for logs.
std::string redact_url(std::string_view text);

}  // namespace tailrace
