// CSV files of lookups, of any bytes: every record has a line, in order, and what was read, written in quotes again, is read
// as the same.
#include <string>
#include <vector>

#include "fuzz/fuzz.h"
#include "rule/csv_reader.h"

using namespace tailrace;

namespace {

std::string written(const std::vector<CsvField>& fields) {
  std::string out;
  for (const CsvField& field : fields) {
    if (&field != &fields[0]) out += ',';
    if (field.text.empty() && !field.is_quoted) continue;
    out += '"';
    for (char c : field.text) out.append(c == '"' ? 2 : 1, c);
    out += '"';
  }
  return out + "\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  CsvReader reader(text, "fuzz.csv");
  std::vector<CsvField> fields, again;
  uint32_t line = 0;
  for (;;) {
    auto more = reader.next(fields);
    if (!more.ok() || !*more) break;
    FUZZ_CHECK(!fields.empty() && reader.line() > line);
    line = reader.line();
    std::string copy = written(fields);
    if (copy == "\n") continue;  // a record of one NULL is a line of nothing
    CsvReader second(copy, "again.csv");
    auto read = second.next(again);
    FUZZ_CHECK(read.ok() && *read && again.size() == fields.size());
    for (size_t i = 0; i < fields.size(); ++i) FUZZ_CHECK(again[i].text == fields[i].text);
  }
  return 0;
}
