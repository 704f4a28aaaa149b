// One HTTP request over TCP or TLS, for the schema registry. Blocks its thread, 10 s at most; a stop is noticed at once.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tailrace {

struct HttpServer {
  std::string host;
  uint16_t port = 0;
  bool tls = false;
  std::string ca_file;  // certificates that the server's must be signed by; "" = those of the system
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// What the bytes received so far say, once the answer is whole; without a length it lasts until the connection ends.
std::optional<HttpAnswer> parse_http_answer(std::string_view text, bool at_end);
// Sends the request, which must ask for `Connection: close`, and reads the answer. FMT-0004 when there is none; FMT-0005 when the
// server's certificate is not to be trusted; JOB-0007 as soon as `is_over` (may be null) says so.
Result<HttpAnswer> http_exchange(const HttpServer& server, std::string_view request, const std::function<bool()>& is_over);

}  // namespace tailrace
