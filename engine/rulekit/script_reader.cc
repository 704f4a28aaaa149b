#include "rulekit/script_reader.h"

#include <fmt/format.h>

#include "mysql/charset.h"

namespace tailrace {
namespace {

bool is_blank(char c) { return static_cast<unsigned char>(c) <= ' '; }

bool begins_comment(std::string_view rest) {
  return rest.starts_with('#') || (rest.starts_with("--") && (rest.size() == 2 || is_blank(rest[2])));
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

bool ScriptReader::next_line() {
  has_line_ = static_cast<bool>(std::getline(in_, line_));
  at_ = 0;
  if (!has_line_) return false;
  ++number_;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (number_ == 1 && line_.starts_with(kByteOrderMark)) line_.erase(0, kByteOrderMark.size());
  const bool has_zero = line_.find('\0') != std::string::npos;
  if (has_zero || !is_utf8(line_)) {
    bad_line_ = Status(ErrorCode::kRuleCase, fmt::format("line {}: {}", number_,
                                                         has_zero ? "a zero byte; is this a case file? In a literal it is \\0 or x'00'"
                                                                  : "not UTF-8; bytes that are no text are written x'hex'"));
    has_line_ = false;
  }
  return has_line_;
}

Result<ScriptItem> ScriptReader::next() {
  for (;;) {
    if (!has_line_ && !next_line()) {
      if (!bad_line_.ok()) return bad_line_;
      if (in_.bad()) return Status(ErrorCode::kRuleCase, fmt::format("the file cannot be read behind line {}", number_));
      return ScriptItem{ScriptItem::Kind::kEnd, "", number_, number_};
    }
    while (at_ < line_.size() && is_blank(line_[at_])) ++at_;
    std::string_view rest = std::string_view(line_).substr(at_);
    if (rest.empty() || begins_comment(rest)) {
      has_line_ = false;
      continue;
    }
    auto whole_line = [&](ScriptItem::Kind kind, size_t skip) {
      has_line_ = false;
      return ScriptItem{kind, trimmed(rest.substr(skip)), number_, number_};
    };
    if (rest.starts_with("->")) return whole_line(ScriptItem::Kind::kArrow, 2);
    if (rest.starts_with("options") && (rest.size() == 7 || is_blank(rest[7]) || rest[7] == '{')) {
      return whole_line(ScriptItem::Kind::kOptions, 7);
    }
    if (trimmed(rest) == "capture") return whole_line(ScriptItem::Kind::kCapture, 7);
    return statement();
  }
}

Result<ScriptItem> ScriptReader::statement() {
  ScriptItem item{ScriptItem::Kind::kStatement, "", number_, number_};
  char quote = 0;
  for (;;) {
    for (; at_ < line_.size(); ++at_) {
      char c = line_[at_];
      if (quote) {
        item.text.push_back(c);
        if (c == '\\' && quote != '`' && at_ + 1 < line_.size()) item.text.push_back(line_[++at_]);
        else if (c == quote) quote = 0;
        continue;
      }
      if (c == ';') {
        ++at_;
        item.last_line = number_;
        return item;
      }
      if (begins_comment(std::string_view(line_).substr(at_))) break;
      if (c == '\'' || c == '"' || c == '`') quote = c;
      item.text.push_back(c);
    }
    if (!next_line()) {
      if (!bad_line_.ok()) return bad_line_;
      break;
    }
    item.text.push_back('\n');
  }
  return Status(ErrorCode::kRuleCase,
                fmt::format("line {}: the statement has no end, expected `;`{}", item.line, quote ? " behind the closing quote" : ""));
}

}  // namespace tailrace
