// encode_cases: reads conformance cases (one JSON object a line) and writes the messages the engine makes of them,
// {"id":…,"raw":…} a line. Cases of formats that are not built are left out.
#include <iostream>

#include "format/debezium_format.h"
#include "format/default_format.h"
#include "unit/format/case_event.h"

using namespace tailrace;

namespace {

Status encode(const nlohmann::json& test_case, test::CaseEvent& made, Record& record, bool& known) {
  const nlohmann::json& given = test_case.at("options");
  const ChangeEvent& event = made.batch.events.front();
  known = true;
  if (test_case.at("format") == "Default") {
    DefaultFormatOptions options;
    options.db_type = given.at("dbType");
    options.sequence_enabled = given.at("sequenceEnabled");
    const nlohmann::json& tenant = test_case.at("table").at("tenant");
    if (tenant.is_string()) options.tenant = tenant;
    EventMeta meta = made.meta;
    if (!options.sequence_enabled) meta.sequence.reset();
    return DefaultFormat(options).write(made.batch, event, meta, record);
  }
  if (test_case.at("format") == "Debezium") {
    DebeziumFormatOptions options;
    options.db_type = given.at("dbType");
    options.version = given.at("version");
    options.include_schema = given.at("includeSchema");
    return DebeziumFormat(options).write(made.batch, event, made.meta, record);
  }
  known = false;
  return {};
}

}  // namespace

int main() {
  std::string line;
  int failures = 0;
  Record record;
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    auto test_case = nlohmann::json::parse(line);
    std::string id = test_case.at("id");
    try {
      auto made = test::make_case_event(test_case);
      bool known;
      Status status = encode(test_case, *made, record, known);
      if (!known) continue;
      if (!status.ok()) throw std::runtime_error(status.to_string());
      std::cout << nlohmann::json{{"id", id}, {"raw", record.value}}.dump() << '\n';
    } catch (const std::exception& error) {
      std::cerr << id << ": " << error.what() << '\n';
      ++failures;
    }
  }
  return failures == 0 ? 0 : 1;
}
