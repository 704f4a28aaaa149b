// MessageRule: what an entry or an output says about the messages of its rows: `topic`, `partition_by`, `headers`,
// `serialize`.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "rule/rule_node.h"
#include "rule/text_template.h"

namespace tailrace {

struct MessageRule {
  enum class Body : uint8_t { kSink, kFunction, kLine, kJson, kFormat };
  TextTemplate topic;
  std::vector<std::string> partition_by;  // columns of the target
  std::vector<std::pair<std::string, TextTemplate>> headers;
  Body body = Body::kSink;
  int function = -1;   // kFunction: the host's number
  TextTemplate line;   // kLine
  std::string format;  // kFormat

  bool empty() const noexcept { return topic.empty() && partition_by.empty() && headers.empty() && body == Body::kSink; }
};

// Reads the four keys of `node`, those that are there.
Status parse_message(MessageRule& out, const RuleNode& node, const std::string& where);
// The format that `serialize` names must be among those there are. `formats` empty: not checked.
Status check_format(const MessageRule& message, const std::string& where, const std::vector<std::string>& formats);

}  // namespace tailrace
