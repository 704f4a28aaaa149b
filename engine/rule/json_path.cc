#include "rule/json_path.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace tailrace {
namespace {

constexpr int kMaxDepth = 100;  // as a server's own documents

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over one document. Every function leaves at_ behind what it read; false: no JSON.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  size_t at() const { return at_; }
  void blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    blanks();
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool string(std::string_view& out) {
    blanks();
    size_t begin = at_;
    if (peek() != '"') return false;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        out = text_.substr(begin, at_ - begin);
        return true;
      }
    }
    return false;
  }
  bool value(int depth = 0) {
    blanks();
    std::string_view ignored;
    char c = peek();
    if (depth > kMaxDepth) return false;
    if (c == '"') return string(ignored);
    if (c == '{' || c == '[') {
      ++at_;
      char close = c == '{' ? '}' : ']';
      if (take(close)) return true;
      do {
        if (c == '{' && (!string(ignored) || !take(':'))) return false;
        if (!value(depth + 1)) return false;
      } while (take(','));
      return take(close);
    }
    size_t begin = at_;
    while (at_ < text_.size() && std::string_view("+-.0123456789Eaeflnrstu").find(text_[at_]) != std::string_view::npos) ++at_;
    return at_ > begin;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// Where a member of a container is, and what is around it.
struct Place {
  size_t begin = 0, end = 0;                 // of the value
  size_t from = 0;                           // of the member: its key, or the value
  size_t comma_before = 0, comma_after = 0;  // 0 = none
  size_t close = 0;                          // the container's last character
  bool is_empty = true;
};

JsonFound find_member(std::string_view document, size_t container, const JsonStep& step, Place& place) {
  Scanner in(document.substr(container));
  char open = step.is_index ? '[' : '{';
  if (!in.take(open)) return JsonFound::kNo;
  char close = step.is_index ? ']' : '}';
  bool found = false;
  if (!in.take(close)) {
    size_t comma = 0;
    uint32_t number = 0;
    std::string key;
    do {
      in.blanks();
      size_t from = in.at();
      std::string_view quoted;
      bool matches = step.is_index && number++ == step.index;
      if (!step.is_index) {
        if (!in.string(quoted) || !in.take(':')) return JsonFound::kNoJson;
        key.clear();
        if (!append_unquoted(quoted, key)) return JsonFound::kNoJson;
        matches = key == step.key;
        in.blanks();
      }
      size_t begin = in.at();
      if (!in.value()) return JsonFound::kNoJson;
      if (found && !place.comma_after) place.comma_after = container + comma;
      if (matches && !found) {
        found = true;
        place.from = container + from;
        place.begin = container + begin;
        place.end = container + in.at();
        place.comma_before = comma ? container + comma : 0;
      }
      place.is_empty = false;
      in.blanks();
      comma = in.at();
    } while (in.take(','));
    if (!in.take(close)) return JsonFound::kNoJson;
  }
  place.close = container + in.at() - 1;
  return found ? JsonFound::kYes : JsonFound::kNo;
}

// The value at the first `steps` steps.
JsonFound walk(std::string_view document, const JsonPath& path, size_t steps, size_t& begin, size_t& end) {
  Scanner whole(document);
  whole.blanks();
  begin = whole.at();
  if (!whole.value()) return JsonFound::kNoJson;
  end = whole.at();
  whole.blanks();
  if (whole.at() != document.size()) return JsonFound::kNoJson;
  for (size_t i = 0; i < steps; ++i) {
    Place place;
    JsonFound found = find_member(document, begin, path[i], place);
    if (found != JsonFound::kYes) return found;
    begin = place.begin;
    end = place.end;
  }
  return JsonFound::kYes;
}

}  // namespace

Result<JsonPath> parse_json_path(std::string_view text) {
  auto fail = [&](std::string_view why) { return Status(ErrorCode::kRuleLoad, fmt::format("`{}` is no path: {}", text, why)); };
  if (!text.starts_with('$')) return fail("it begins with $");
  JsonPath path;
  size_t at = 1;
  while (at < text.size()) {
    JsonStep step;
    if (text[at] == '[') {
      step.is_index = true;
      auto read = std::from_chars(text.data() + at + 1, text.data() + text.size(), step.index);
      at = static_cast<size_t>(read.ptr - text.data());
      if (read.ec != std::errc() || at >= text.size() || text[at] != ']') return fail("a place in a list is written [0]");
      ++at;
    } else if (text[at] == '.') {
      ++at;
      if (at < text.size() && text[at] == '"') {
        Scanner in(text.substr(at));
        std::string_view quoted;
        if (!in.string(quoted) || !append_unquoted(quoted, step.key)) return fail("a quoted name has no end");
        at += in.at();
      } else {
        size_t end = text.find_first_of(".[", at);
        if (end == std::string_view::npos) end = text.size();
        step.key = text.substr(at, end - at);
        if (step.key.empty() || step.key.find_first_of("*\" ]") != std::string::npos)
          return fail("a name is missing, or must be quoted; there are no wildcards");
        at = end;
      }
    } else {
      return fail("after $ come .name and [number]");
    }
    path.push_back(std::move(step));
  }
  return path;
}

JsonFound find_json(std::string_view document, const JsonPath& path, std::string_view& value) {
  size_t begin = 0, end = 0;
  JsonFound found = walk(document, path, path.size(), begin, end);
  if (found == JsonFound::kYes) value = document.substr(begin, end - begin);
  return found;
}

JsonFound set_json(std::string_view document, const JsonPath& path, std::string_view value, std::string& out) {
  size_t begin = 0, end = 0;
  if (path.empty()) {
    JsonFound found = walk(document, path, 0, begin, end);
    if (found == JsonFound::kYes) out.assign(value);
    return found;
  }
  JsonFound found = walk(document, path, path.size() - 1, begin, end);
  if (found != JsonFound::kYes) return found;
  Place place;
  found = find_member(document, begin, path.back(), place);
  if (found == JsonFound::kNoJson || (found == JsonFound::kNo && place.close == 0)) return found;
  if (found == JsonFound::kYes) {
    out.assign(document.substr(0, place.begin)).append(value).append(document.substr(place.end));
    return found;
  }
  out.assign(document.substr(0, place.close)).append(place.is_empty ? "" : ", ");
  if (!path.back().is_index) out.append(quote_json(path.back().key)).append(": ");
  out.append(value).append(document.substr(place.close));
  return JsonFound::kYes;
}

JsonFound remove_json(std::string_view document, const JsonPath& path, std::string& out) {
  size_t begin = 0, end = 0;
  JsonFound found = walk(document, path, path.size() - 1, begin, end);
  if (found != JsonFound::kYes) return found;
  Place place;
  found = find_member(document, begin, path.back(), place);
  if (found != JsonFound::kYes) return found;
  size_t from = place.comma_before ? place.comma_before : place.from;
  size_t to = place.comma_before || !place.comma_after ? place.end : place.comma_after + 1;
  while (!place.comma_before && place.comma_after && to < document.size() && is_blank(document[to])) ++to;
  out.assign(document.substr(0, from)).append(document.substr(to));
  return found;
}

bool append_unquoted(std::string_view value, std::string& out) {
  if (!value.starts_with('"')) {
    out.append(value);
    return true;
  }
  if (value.find('\\') == std::string_view::npos) {
    out.append(value.substr(1, value.size() - 2));
    return true;
  }
  auto parsed = nlohmann::json::parse(value, nullptr, false);
  if (!parsed.is_string()) return false;
  out.append(parsed.get_ref<const std::string&>());
  return true;
}

std::string quote_json(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace tailrace
