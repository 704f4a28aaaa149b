// Text functions of the row filter, as a server computes them.
#include <cstring>

#include "event/value_text.h"
#include "rule/where_program.h"

namespace tailrace {
namespace {

using Code = WhereStep::Code;

}  // namespace

void WhereRun::text_function(const WhereStep& step, SqlCell& out) {
  constexpr size_t kMaxArguments = 64;
  SqlCell args[4];
  if (step.code == Code::kConcat) {
    std::string_view parts[kMaxArguments];
    size_t count = 0, bytes = 0;
    bool all_null = true;
    for (uint32_t arg : step.args) {
      value(arg, args[0]);
      if (args[0].is_null) {
        if (step.special) continue;
        out.is_null = true;
        return;
      }
      all_null = false;
      parts[count++] = args[0].text;
      bytes += args[0].text.size();
    }
    out.is_null = all_null;
    char* text = scratch(bytes);
    size_t n = 0;
    for (size_t i = 0; i < count; ++i) {
      if (!parts[i].empty()) std::memcpy(text + n, parts[i].data(), parts[i].size());
      n += parts[i].size();
    }
    out.text = {text, n};
    return;
  }
  for (size_t i = 0; i < step.args.size(); ++i) {
    value(step.args[i], args[i]);
    if (args[i].is_null) {
      out.is_null = true;
      return;
    }
  }
  out.is_null = false;
  std::string_view text = args[0].text;
  if (step.code == Code::kCharLength) {
    out.i = static_cast<int64_t>(count_characters(text));
    return;
  }
  if (step.code == Code::kReplace) {
    std::string_view what = args[1].text, with = args[2].text;
    size_t found = what.empty() ? std::string_view::npos : text.find(what);
    if (found == std::string_view::npos) {
      out.text = text;
      return;
    }
    size_t count = 0;
    for (size_t at = found; at != std::string_view::npos; at = text.find(what, at + what.size())) ++count;
    size_t bytes = text.size() - count * what.size() + count * with.size();
    if (bytes > (16u << 20)) return fail(step, "the text grows beyond 16 MiB");
    char* to = scratch(bytes);
    size_t n = 0, from = 0;
    auto put = [&](std::string_view part) {
      if (!part.empty()) std::memcpy(to + n, part.data(), part.size());
      n += part.size();
    };
    for (size_t at = found; at != std::string_view::npos; at = text.find(what, from)) {
      put(text.substr(from, at - from));
      put(with);
      from = at + what.size();
    }
    put(text.substr(from));
    out.text = {to, n};
    return;
  }
  // SUBSTR: places count from 1, or from the end where negative.
  bool too_far = program_->steps_[step.args[1]].is_unsigned && args[1].i < 0;
  int64_t place = args[1].i;
  auto total = static_cast<int64_t>(count_characters(text));
  int64_t wanted = total;
  if (step.args.size() == 3) {
    bool all = program_->steps_[step.args[2]].is_unsigned && args[2].i < 0;
    wanted = all ? total : args[2].i;
  }
  int64_t first = place > 0 ? place - 1 : total + place;
  out.text = {};
  if (too_far || place == 0 || wanted <= 0 || first < 0 || first >= total) return;
  size_t begin = 0;
  for (int64_t i = 0; i < first; ++i) (void)next_character(text, begin);
  size_t end = begin;
  for (int64_t i = 0; i < wanted && end < text.size(); ++i) (void)next_character(text, end);
  out.text = text.substr(begin, end - begin);
}

}  // namespace tailrace
