// What a server says before anybody has logged in.
#pragma once
#include <cstdint>
#include <string>

#include "base/status.h"

namespace tailrace {

// Asks the server whether it offers TLS, without sending it anything: the client library itself would only find out
// while logging in, and go on in plain text. Fails with kSourceConnect.
Result<bool> server_offers_tls(const std::string& host, uint16_t port, int64_t timeout_us);

}  // namespace tailrace
