// encode_cases: reads conformance cases (one JSON object a line) and writes the messages the engine makes of them,
// {"id":…,"raw":…} a line; a case without a message has "raw":"null".
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/described_change.h"

int main() {
  std::string line;
  int failures = 0;
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    auto made = tailrace::encode_described(line);
    if (!made.ok()) {
      std::cerr << made.status().to_string() << '\n';
      ++failures;
      continue;
    }
    nlohmann::json id = nlohmann::json::parse(line).value("id", "");
    std::cout << nlohmann::json{{"id", id}, {"raw", made->skip ? "null" : made->value}}.dump() << '\n';
  }
  return failures == 0 ? 0 : 1;
}
