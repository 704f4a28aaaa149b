#include "rule/message_rule.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "rule/node_reader.h"

namespace tailrace {
namespace {

using Type = RuleNode::Type;

Status parse_body(MessageRule& out, const RuleNode& node, const std::string& where) {
  if (node.type == Type::kFunction) {
    out.body = MessageRule::Body::kFunction;
    out.function = node.function;
    return Status();
  }
  if (node.type == Type::kText && !node.text.empty()) {
    out.body = MessageRule::Body::kFormat;
    out.format = node.text;
    return Status();
  }
  if (node.type == Type::kHandle && node.text == "json") {
    out.body = MessageRule::Body::kJson;
    return Status();
  }
  const RuleNode* text = node.type == Type::kHandle && node.text == "line" ? node.find("text") : nullptr;
  if (text) {
    out.body = MessageRule::Body::kLine;
    TAILRACE_TRY(out.line, TextTemplate::parse(text->text, where, true));
    return Status();
  }
  return load_error(
      fmt::format("{} is {}; expected a function, line \"template\", json or the name of a format", where, type_name(node.type)));
}

}  // namespace

Status parse_message(MessageRule& out, const RuleNode& node, const std::string& where) {
  if (const RuleNode* topic = node.find("topic")) {
    if (topic->type != Type::kText || topic->text.empty()) return load_error(where + ".topic must be a string like \"orders.{country}\"");
    TAILRACE_TRY(out.topic, TextTemplate::parse(topic->text, where + ".topic", true));
  }
  if (const RuleNode* columns = node.find("partition_by")) {
    TAILRACE_TRY(out.partition_by, text_list(*columns, where + ".partition_by"));
  }
  if (const RuleNode* headers = node.find("headers")) {
    if (headers->type != Type::kTable) return load_error(where + ".headers must be a table { name = \"template\" }");
    for (const auto& [name, value] : headers->fields) {
      std::string place = fmt::format("{}.headers.{}", where, name);
      TAILRACE_TRY(std::string text, scalar_text(value, place));
      TAILRACE_TRY(TextTemplate parsed, TextTemplate::parse(text, place, true));
      out.headers.emplace_back(name, std::move(parsed));
    }
  }
  if (const RuleNode* body = node.find("serialize")) TAILRACE_OK(parse_body(out, *body, where + ".serialize"));
  return Status();
}

Status check_format(const MessageRule& message, const std::string& where, const std::vector<std::string>& formats) {
  if (message.format.empty() || formats.empty()) return Status();
  if (std::find(formats.begin(), formats.end(), message.format) != formats.end()) return Status();
  return load_error(fmt::format("{}.serialize: no format `{}`{}; there are {}", where, message.format,
                                did_you_mean(message.format, formats), fmt::join(formats, ", ")));
}

}  // namespace tailrace
