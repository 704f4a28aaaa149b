// Compressed payloads of the log: MariaDB's compressed columns and events (zlib), MySQL's transaction payload (zstd).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tailrace {

// A value of a COMPRESSED column. False when it is damaged.
[[nodiscard]] bool unpack_column(std::string_view bytes, std::string& out);
// The compressed part of MariaDB's *_COMPRESSED events: header byte, length, deflated bytes.
[[nodiscard]] bool unpack_event_part(std::string_view bytes, std::string& out);

// CRC32 as the log uses it.
uint32_t log_crc32(uint32_t seed, std::string_view bytes) noexcept;
// Do the last four bytes of an event hold the CRC32 of the rest?
bool has_good_checksum(std::string_view event) noexcept;

// Stream of the events inside a TRANSACTION_PAYLOAD, decompressed piece by piece.
class PayloadReader {
 public:
  // `body`: that of the event, without checksum. Must outlive the reader.
  static Result<std::unique_ptr<PayloadReader>> open(std::string_view body);
  ~PayloadReader();
  // The next inner event, header included; empty at the end. Valid until the next call.
  Result<std::string_view> next();

 private:
  struct State;
  explicit PayloadReader(std::unique_ptr<State> state);
  Status fill(size_t wanted);  // makes at least `wanted` bytes available unless the stream ends
  std::unique_ptr<State> state_;
};

}  // namespace tailrace
