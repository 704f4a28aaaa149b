// A schema registry of Confluent's kind, asked for the number of a schema.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "format/http_client.h"

namespace tailrace {

class SchemaRegistry {
 public:
  // `url`: http[s]://[user[:password]@]host[:port][/path]. `password`: the user's, when the URL has none. `ca_file`: https only.
  // CFG-0003 when these cannot be meant.
  static Result<SchemaRegistry> at(std::string_view url, std::string_view password, std::string_view ca_file);

  // Registers the Avro schema under the subject, or finds it there; its number. FMT-0004 when the registry does not answer,
  // FMT-0005 when it refuses; JOB-0007 as soon as `is_over` (may be null) says so. Blocks for some seconds at most.
  Result<uint32_t> register_schema(std::string_view subject, std::string_view schema, const std::function<bool()>& is_over) const;

 private:
  HttpServer server_;
  std::string path_;   // "" or with a slash before it
  std::string login_;  // header line, or ""
};

}  // namespace tailrace
