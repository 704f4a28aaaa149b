#include "base/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace tailrace {
namespace {

Result<int64_t> parse_scaled(std::string_view text, std::span<const std::pair<std::string_view, int64_t>> units, std::string_view what) {
  auto bad = [&] {
    std::string names;
    for (const auto& unit : units) names.append(names.empty() ? "" : ", ").append(unit.first.empty() ? "none" : unit.first);
    return Status(ErrorCode::kConfigBadValue, fmt::format("'{}' is not a {} (units: {})", text, what, names));
  };
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return bad();
  std::string_view unit(end, text.size() - static_cast<size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  for (const auto& [name, factor] : units) {
    if (unit != name) continue;
    double scaled = number * static_cast<double>(factor);
    if (scaled > 9e18) return bad();
    return static_cast<int64_t>(scaled);
  }
  return bad();
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row[b.size()];
}

Status check_value(std::string_view where, const OptionSpec& spec, const std::string& value, int64_t& number) {
  auto bad = [&](std::string_view expected) {
    return Status(ErrorCode::kConfigBadValue,
                  fmt::format("{}.{}: {} expected, got '{}'", where, spec.name, expected, spec.secret ? "******" : value));
  };
  if (spec.type == "int") {
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) return bad("a whole number");
  } else if (spec.type == "bool") {
    if (value != "true" && value != "false") return bad("true or false");
    number = value == "true";
  } else if (spec.type == "bytes" || spec.type == "duration") {
    auto parsed = spec.type == "bytes" ? parse_bytes(value) : parse_duration_us(value);
    if (!parsed.ok()) return bad(spec.type == "bytes" ? "a size such as 64MiB" : "a duration such as 500ms or 5s");
    number = *parsed;
  } else if (spec.type.substr(0, 5) == "enum:") {
    std::string_view rest = spec.type.substr(5);
    while (!rest.empty()) {
      size_t bar = rest.find('|');
      if (rest.substr(0, bar) == value) return {};
      rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 1);
    }
    return bad(fmt::format("one of {}", spec.type.substr(5)));
  }
  return {};
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    unsigned value = 0;
    if (i + 2 >= text.size()) return Status(ErrorCode::kConfigUrl, "a '%' needs two hex digits");
    auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
    if (error != std::errc() || end != text.data() + i + 3) return Status(ErrorCode::kConfigUrl, "a '%' needs two hex digits");
    out.push_back(static_cast<char>(value));
    i += 2;
  }
  return out;
}

}  // namespace

Result<int64_t> parse_bytes(std::string_view text) {
  static constexpr std::pair<std::string_view, int64_t> kUnits[] = {{"", 1},          {"B", 1},     {"KiB", 1 << 10}, {"MiB", 1 << 20},
                                                                    {"GiB", 1 << 30}, {"kB", 1000}, {"MB", 1000000},  {"GB", 1000000000}};
  return parse_scaled(text, kUnits, "size");
}

Result<int64_t> parse_duration_us(std::string_view text) {
  static constexpr std::pair<std::string_view, int64_t> kUnits[] = {{"us", 1},       {"ms", 1000},      {"s", 1000000},    {"", 1000000},
                                                                    {"m", 60000000}, {"h", 3600000000}, {"d", 86400000000}};
  return parse_scaled(text, kUnits, "duration");
}

std::string nearest_name(std::string_view word, std::span<const std::string> candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

Result<Options> Options::parse(std::string_view where, std::span<const OptionSpec> specs, const std::map<std::string, std::string>& given,
                               const std::vector<std::string>& others) {
  Options options;
  for (const auto& [name, value] : given) {
    auto it = std::find_if(specs.begin(), specs.end(), [&](const OptionSpec& s) { return s.name == name; });
    if (it == specs.end()) {
      std::vector<std::string> names;
      for (const OptionSpec& spec : specs) names.emplace_back(spec.name);
      names.insert(names.end(), others.begin(), others.end());  // after the own ones: the first of equals wins
      std::string near = nearest_name(name, names);
      std::string hint = near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near);
      return Status(ErrorCode::kConfigUnknownKey, fmt::format("{}.{}{}", where, name, hint));
    }
  }
  for (const OptionSpec& spec : specs) {
    auto it = given.find(std::string(spec.name));
    if (it == given.end() && spec.required) {
      return Status(ErrorCode::kConfigMissing, fmt::format("{}.{}: {}", where, spec.name, spec.doc));
    }
    std::string value = it == given.end() ? std::string(spec.default_value) : it->second;
    int64_t number = 0;
    if (it != given.end() || !value.empty()) TAILRACE_OK(check_value(where, spec, value, number));
    options.numbers_[std::string(spec.name)] = number;
    options.values_[std::string(spec.name)] = std::move(value);
  }
  return options;
}

const std::string& Options::text(std::string_view name) const {
  static const std::string empty;
  auto it = values_.find(name);
  return it == values_.end() ? empty : it->second;
}
int64_t Options::integer(std::string_view name) const {
  auto it = numbers_.find(name);
  return it == numbers_.end() ? 0 : it->second;
}
bool Options::boolean(std::string_view name) const { return integer(name) != 0; }
bool Options::has(std::string_view name) const { return !text(name).empty(); }

Result<Url> parse_url(std::string_view text) {
  auto bad = [&](std::string_view why) { return Status(ErrorCode::kConfigUrl, fmt::format("{}: {}", redact_url(text), why)); };
  Url url;
  size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return bad("no scheme");
  url.scheme = std::string(text.substr(0, colon));
  std::string_view rest = text.substr(colon + 1);
  if (size_t question = rest.find('?'); question != std::string_view::npos) {
    std::string_view query = rest.substr(question + 1);
    rest = rest.substr(0, question);
    while (!query.empty()) {
      size_t amp = query.find('&');
      std::string_view pair = query.substr(0, amp);
      query = amp == std::string_view::npos ? std::string_view() : query.substr(amp + 1);
      size_t equal = pair.find('=');
      if (equal == std::string_view::npos) return bad("a query part needs name=value");
      TAILRACE_TRY(std::string name, percent_decode(pair.substr(0, equal)));
      TAILRACE_TRY(std::string value, percent_decode(pair.substr(equal + 1)));
      url.query[name] = value;
    }
  }
  std::string_view authority;
  if (rest.substr(0, 2) == "//") {
    rest.remove_prefix(2);
    size_t slash = rest.find('/');
    authority = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  }
  if (size_t at = authority.rfind('@'); at != std::string_view::npos) {
    std::string_view login = authority.substr(0, at);
    authority = authority.substr(at + 1);
    size_t split = login.find(':');
    if (login.substr(0, split).find('@') != std::string_view::npos)
      return bad("two users before the host; an '@' of a name is written %40");
    TAILRACE_TRY(url.user, percent_decode(login.substr(0, split)));
    if (split != std::string_view::npos) {
      TAILRACE_TRY(url.password, percent_decode(login.substr(split + 1)));
      url.has_password = true;
    }
  }
  // A comma separated list of hosts stays in `host`, ports included (Kafka bootstrap servers).
  if (authority.find(',') == std::string_view::npos) {
    size_t port = authority.rfind(':');
    size_t bracket = authority.rfind(']');
    if (port != std::string_view::npos && (bracket == std::string_view::npos || port > bracket)) {
      std::string_view digits = authority.substr(port + 1);
      auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
      if (error != std::errc() || end != digits.data() + digits.size()) return bad("the port is not a number up to 65535");
      authority = authority.substr(0, port);
    }
    if (authority.size() >= 2 && authority.front() == '[' && authority.back() == ']') {
      authority = authority.substr(1, authority.size() - 2);
    }
  }
  url.host = std::string(authority);
  TAILRACE_TRY(url.path, percent_decode(rest));
  return url;
}

std::string redact_url(std::string_view text) {
  size_t start = text.find("://");
  if (start == std::string_view::npos) return std::string(text);
  std::string_view rest = text.substr(start + 3);
  std::string_view authority = rest.substr(0, rest.find('/'));
  size_t at = authority.rfind('@');
  size_t colon = authority.substr(0, at).find(':');
  if (colon == std::string_view::npos) return std::string(text);
  if (at == std::string_view::npos) {
    // Either host:port, or a password with a '/' in it, which is no good URL but must not be shown either.
    size_t digits = authority.find_first_not_of("0123456789,:.[]", colon);
    at = digits == std::string_view::npos ? digits : rest.rfind('@');
    if (at == std::string_view::npos) return std::string(text);
  }
  std::string out(text.substr(0, start + 3 + colon + 1));
  out.append("******").append(rest.substr(at));
  return out;
}

}  // namespace tailrace
