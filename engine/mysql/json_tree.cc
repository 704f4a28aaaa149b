#include "mysql/json_tree.h"

#include <algorithm>

namespace tailrace {
namespace {

bool key_before(std::string_view a, std::string_view b) noexcept { return a.size() != b.size() ? a.size() < b.size() : a < b; }

}  // namespace

JsonTree::Opened* JsonTree::open(Node& node, size_t depth) {
  if (node.opened) return node.opened.get();
  JsonContainer in;
  if (depth > kJsonMaxDepth || !in.open(node.raw)) return nullptr;
  size_t cost = in.size() * in.entry_bytes();
  if (cost > budget_) return nullptr;
  budget_ -= cost;
  auto opened = std::make_unique<Opened>();
  opened->is_object = in.is_object();
  opened->members.resize(in.size());
  for (uint64_t i = 0; i < in.size(); ++i) {
    Member& member = opened->members[i];
    if (!in.value(i, member.node.raw)) return nullptr;
    if (!in.is_object()) continue;
    if (!in.key(i, member.key) || (i && !key_before(opened->members[i - 1].key, member.key))) return nullptr;
  }
  node.opened = std::move(opened);
  return node.opened.get();
}

size_t JsonTree::place_of(const Opened& in, std::string_view key) {
  auto at = std::lower_bound(in.members.begin(), in.members.end(), key,
                             [](const Member& member, std::string_view k) { return key_before(member.key, k); });
  return static_cast<size_t>(at - in.members.begin());
}

// Where the leg leads in a container of its kind; false: nothing is there, and `position` is where it would be put.
bool JsonTree::position_of(const Opened& in, const JsonLeg& leg, size_t& position) {
  size_t size = in.members.size();
  if (leg.is_member) {
    position = place_of(in, leg.name);
    return position < size && in.members[position].key == leg.name;
  }
  if (leg.from_end) {
    position = leg.index < size ? size - 1 - leg.index : 0;
  } else {
    position = leg.index < size ? leg.index : size;
  }
  return leg.index < size;
}

// The container that the last leg of the path is about.
JsonTree::Opened* JsonTree::parent_of(const JsonPath& path) {
  if (path.empty()) return nullptr;
  Node* node = &root_;
  for (size_t i = 0;; ++i) {
    Opened* in = open(*node, i + 1);
    if (!in || in->is_object != path[i].is_member) return nullptr;
    if (i + 1 == path.size()) return in;
    size_t position = 0;
    if (!position_of(*in, path[i], position)) return nullptr;
    node = &in->members[position].node;
  }
}

bool JsonTree::replace(const JsonPath& path, const JsonValue& value) {
  Opened* in = parent_of(path);
  size_t position = 0;
  if (!in || !position_of(*in, path.back(), position)) return false;
  in->members[position].node = {value, nullptr};
  return true;
}

bool JsonTree::insert(const JsonPath& path, const JsonValue& value) {
  Opened* in = parent_of(path);
  if (!in) return false;
  size_t position = 0;
  bool found = position_of(*in, path.back(), position);
  if (found && in->is_object) return false;
  Member member;
  if (in->is_object) member.key = names_.emplace_back(path.back().name);
  member.node.raw = value;
  in->members.insert(in->members.begin() + static_cast<std::ptrdiff_t>(position), std::move(member));
  return true;
}

bool JsonTree::remove(const JsonPath& path) {
  Opened* in = parent_of(path);
  size_t position = 0;
  if (!in || !position_of(*in, path.back(), position)) return false;
  in->members.erase(in->members.begin() + static_cast<std::ptrdiff_t>(position));
  return true;
}

bool JsonTree::print(const Node& node, int depth, JsonPrinter& printer) {
  if (!node.opened) return printer.value(node.raw, depth);
  if (depth > kJsonMaxDepth) return false;
  bool is_object = node.opened->is_object;
  printer.raw(is_object ? "{" : "[");
  bool first = true;
  for (const Member& member : node.opened->members) {
    if (!first) printer.raw(", ");
    first = false;
    if (is_object) {
      if (!printer.string(member.key)) return false;
      printer.raw(": ");
    }
    if (!print(member.node, depth + 1, printer)) return false;
  }
  printer.raw(is_object ? "}" : "]");
  return true;
}

bool JsonTree::print(std::string& out) const {
  JsonPrinter printer(bytes_, out);
  return print(root_, 1, printer);
}

}  // namespace tailrace
