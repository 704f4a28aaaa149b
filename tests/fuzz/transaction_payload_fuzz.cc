// TRANSACTION_PAYLOAD: events come out whole, in bounded space.
#include "fuzz/fuzz.h"
#include "mysql/binlog_event.h"
#include "mysql/compression.h"

using namespace tailrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto reader = PayloadReader::open({reinterpret_cast<const char*>(data), size});
  if (!reader.ok()) return 0;
  // A few bytes may stand for megabytes: what is read in one run has a limit.
  for (size_t taken = 0; taken < (16U << 20);) {
    auto event = (*reader)->next();
    if (!event.ok()) {
      FUZZ_CHECK(event.status().code() == ErrorCode::kSourceCorrupt);
      return 0;
    }
    if (event->empty()) {
      auto again = (*reader)->next();
      FUZZ_CHECK(again.ok() && again->empty());
      return 0;
    }
    FUZZ_CHECK(event->size() >= kEventHeaderSize);
    FUZZ_CHECK(parse_event_header(event->data()).length == event->size());
    taken += event->size();
  }
  return 0;
}
