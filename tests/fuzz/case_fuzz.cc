// Case files and captures: the reader, the statements, and that a capture of what they do reads back as the same events.
#include <sstream>
#include <string>

#include "fuzz/fuzz.h"
#include "rulekit/capture_writer.h"
#include "rulekit/event_text.h"
#include "rulekit/row_script.h"
#include "rulekit/script_reader.h"

using namespace tailrace;

namespace {

// The row events of the statements, as text, up to the first statement that cannot be followed; the capture of them.
std::string run(const std::string& text, bool is_capture, std::string& capture) {
  std::istringstream in(text);
  ScriptReader reader(in);
  RowScript script("fuzz.case");
  std::ostringstream written;
  CaptureWriter writer(written, CaptureOptions{0, {}, {}, {}});
  std::string rows;
  for (;;) {
    auto item = reader.next();
    FUZZ_CHECK(item.ok() || !is_capture);
    if (!item.ok() || item->kind == ScriptItem::Kind::kEnd) break;
    FUZZ_CHECK(item->line >= 1 && item->last_line >= item->line);
    if (item->kind == ScriptItem::Kind::kCapture) script.begin_capture();
    if (item->kind != ScriptItem::Kind::kStatement) continue;
    EventBatch batch;
    Status done = script.run(item->text, item->line, batch);
    FUZZ_CHECK(done.ok() || !is_capture);
    if (!done.ok()) {
      FUZZ_CHECK(done.code() == ErrorCode::kRuleCase && !done.detail().empty());
      break;
    }
    for (const ChangeEvent& event : batch.events) {
      if (event.op == Op::kSchemaChange) continue;
      FUZZ_CHECK(event.before.empty() || event.before.size() == event.table->columns.size());
      FUZZ_CHECK(event.after.empty() || event.after.size() == event.table->columns.size());
      append_event(event, rows);
      rows.push_back('\n');
    }
    FUZZ_CHECK(writer.add(batch).ok());
  }
  capture = written.str();
  return rows;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  std::string capture, second;
  std::string rows = run(text, false, capture);
  FUZZ_CHECK(run(capture, true, second) == rows);
  return 0;
}
