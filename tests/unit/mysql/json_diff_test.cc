#include "mysql/json_diff.h"

#include <cstdlib>
#include <fstream>
#include <set>

#include "unit/catch.h"

using namespace tailrace;
using namespace std::string_literals;

namespace {

struct Case {
  std::string statement, document, diffs, before, after;
};

// "<<ab*900>>" to 900 times ab.
std::string expand(const std::string& text) {
  std::string out;
  size_t at = 0;
  for (size_t from; (from = text.find("<<", at)) != std::string::npos;) {
    size_t star = text.find('*', from), end = text.find(">>", star);
    out.append(text, at, from - at);
    for (int n = std::stoi(text.substr(star + 1)); n > 0; --n) out.append(text, from + 2, star - from - 2);
    at = end + 2;
  }
  return out.append(text, at);
}

std::string from_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

// What MySQL logged and printed; json_diff_cases.py made the file.
std::vector<Case> cases() {
  std::vector<Case> out;
  const char* root = std::getenv("TAILRACE_SOURCE_DIR");
  REQUIRE(root != nullptr);  // set by ctest
  std::ifstream file(std::string(root) + "/tests/unit/mysql/json_diff.tsv");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("# ", 0) == 0) continue;
    std::vector<std::string> cells;
    for (size_t at = 0;;) {
      size_t tab = line.find('\t', at);
      cells.push_back(expand(line.substr(at, tab - at)));
      if (tab == std::string::npos) break;
      at = tab + 1;
    }
    REQUIRE(cells.size() == 5);
    out.push_back({cells[0], from_hex(cells[1]), from_hex(cells[2]), cells[3], cells[4]});
  }
  return out;
}

std::string changed(std::string_view document, std::string_view diffs) {
  std::string out;
  Status status = append_json_changed(document, diffs, out);
  return status.ok() ? out : status.to_string();
}

std::string diff(char operation, std::string_view path, std::string_view value = {}) {
  std::string out(1, operation);
  out.push_back(static_cast<char>(path.size()));
  out.append(path);
  if (operation != 2) {
    out.push_back(static_cast<char>(value.size()));
    out.append(value);
  }
  return out;
}

const std::string kSeven = "\x05\x07\x00"s;

}  // namespace

TEST_CASE("Diffs that MySQL logged give the document that MySQL has") {
  std::vector<Case> all = cases();
  REQUIRE(all.size() > 30);
  std::set<int> operations;
  for (const Case& one : all) {
    INFO(one.statement);
    CHECK(changed(one.document, "") == one.before);
    CHECK(changed(one.document, one.diffs) == one.after);
    operations.insert(one.diffs[0]);
  }
  CHECK(operations == std::set<int>{0, 1, 2});
}

TEST_CASE("Diffs that do not apply are errors that name operation and path") {
  // {"a": 1, "b": [true, "x"]}
  std::string array = "\x02\x00\x0C\x00"s + "\x04\x01\x00"s + "\x0C\x0A\x00"s + "\x01x"s;
  std::string object =
      "\x00\x02\x00\x20\x00"s + "\x12\x00\x01\x00"s + "\x13\x00\x01\x00"s + "\x05\x01\x00"s + "\x02\x14\x00"s + "ab"s + array;
  REQUIRE(changed(object, diff(0, "$.a", kSeven)) == R"({"a": 7, "b": [true, "x"]})");
  auto refused = [&](const std::string& diffs, const std::string& words) {
    std::string text = changed(object, diffs);
    INFO(text);
    CHECK(text.rfind("SRC-0008", 0) == 0);
    CHECK(text.find(words) != std::string::npos);
  };
  refused(diff(0, "$.c", kSeven), "replace at $.c");
  refused(diff(0, "$.b[2]", kSeven), "replace at $.b[2]");
  refused(diff(0, "$.b[last-2]", kSeven), "replace at $.b[last-2]");
  refused(diff(0, "$", kSeven), "replace at $");
  refused(diff(1, "$.a", kSeven), "insert at $.a");
  refused(diff(1, "$.a.x", kSeven), "insert at $.a.x");
  refused(diff(1, "$.b.x", kSeven), "insert at $.b.x");
  refused(diff(1, "$[0]", kSeven), "insert at $[0]");
  refused(diff(1, "$", kSeven), "insert at $");
  refused(diff(2, "$.c"), "remove at $.c");
  refused(diff(2, "$.b[5]"), "remove at $.b[5]");
  refused(diff(2, "$"), "remove at $");
  for (std::string path :
       {"",      "a",     "$.",   "$.a.",          "$[",     "$[]",      "$[x]",      "$[1",           "$[-1]", "$.*", "$[*]",
        "$**.a", "$.\"a", "$ .a", "$[4294967296]", "$[last", "$[last-]", "$.\"\\x\"", "$.\"\\ud800\"", "$.a b"}) {
    refused(diff(0, path, kSeven), "without a usable path");
  }
  refused("\x03\x01$"s, "does not fit");
  refused("\x02\xFB"s, "does not fit");
  refused("\x02\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s, "does not fit");
}

TEST_CASE("Cut and flipped documents and diffs never read out of bounds") {
  for (const Case& one : cases()) {
    if (one.document.size() > 2000) continue;
    INFO(one.statement);
    for (size_t n = 0; n < one.diffs.size(); ++n) (void)changed(one.document, std::string(one.diffs, 0, n));
    for (size_t n = 0; n < one.document.size(); ++n) (void)changed(std::string(one.document, 0, n), one.diffs);
    for (size_t i = 0; i < one.diffs.size() * 8; ++i) {
      std::string damaged = one.diffs;
      damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << i % 8));
      (void)changed(one.document, damaged);
    }
    for (size_t i = 0; i < one.document.size() * 8; ++i) {
      std::string damaged = one.document;
      damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << i % 8));
      (void)changed(damaged, one.diffs);
    }
  }
  // An array that contains itself.
  CHECK(changed("\x02\x01\x00\x08\x00\x02\x00\x00"s, diff(0, "$[0][0][0][0]", kSeven)).rfind("SRC-0008", 0) == 0);
}
