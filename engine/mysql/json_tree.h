// JsonTree: a binary JSON document that can be changed. Only the containers on the way to a change are taken apart;
// everything else stays the document's own bytes, so types survive and a large document costs little. Views point into
// the document and the values given, which must outlive the tree. One thread.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mysql/json_binary.h"

namespace tailrace {

// One step of a path: the member `name`, or the element `index`, counted from the end with `from_end` (0 = the last).
struct JsonLeg {
  bool is_member = false;
  bool from_end = false;
  uint64_t index = 0;
  std::string_view name;
};
using JsonPath = std::vector<JsonLeg>;

class JsonTree {
 public:
  // `bytes`: of the document and of all values that will be put into it.
  JsonTree(std::string_view document, size_t bytes) : root_{json_root(document), nullptr}, budget_(bytes * 2 + 16), bytes_(bytes) {}

  // As the server applies the diffs of its log. False: the place is not there (or, to insert, taken), or damage.
  [[nodiscard]] bool replace(const JsonPath& path, const JsonValue& value);
  [[nodiscard]] bool insert(const JsonPath& path, const JsonValue& value);
  [[nodiscard]] bool remove(const JsonPath& path);
  // Appends the text a SELECT prints.
  [[nodiscard]] bool print(std::string& out) const;

 private:
  struct Opened;
  struct Node {
    JsonValue raw;  // what it is while `opened` is null
    std::unique_ptr<Opened> opened;
  };
  struct Member {
    std::string_view key;  // objects
    Node node;
  };
  struct Opened {
    bool is_object = false;
    std::vector<Member> members;  // objects: by length of the key, then its bytes
  };
  Opened* open(Node& node, size_t depth);
  Opened* parent_of(const JsonPath& path);
  static size_t place_of(const Opened& in, std::string_view key);
  static bool position_of(const Opened& in, const JsonLeg& leg, size_t& position);
  static bool print(const Node& node, int depth, JsonPrinter& printer);

  Node root_;
  size_t budget_;  // of bytes taken apart: bounds the work on documents whose values overlap
  size_t bytes_;
  std::deque<std::string> names_;  // keys of inserted members
};

}  // namespace tailrace
