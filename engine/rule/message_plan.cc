#include "rule/message_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/json_writer.h"
#include "rule/node_reader.h"

namespace tailrace {
namespace {

std::string_view kept(const std::string& text, Arena& arena) { return {arena.copy(text), text.size()}; }

}  // namespace

void set_header(EventRoute& route, std::string_view name, std::string_view value, Arena& arena) {
  size_t count = route.headers.size();
  auto* headers = arena.allocate_array<MessageHeader>(count + 1);
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    if (route.headers[i].name != name) new (headers + at++) MessageHeader(route.headers[i]);
  }
  new (headers + at++) MessageHeader{name, value};
  route.headers = {headers, at};
}

void overlay_route(EventRoute& route, const EventRoute& said, Arena& arena) {
  if (!said.topic.empty()) route.topic = said.topic;
  if (!said.partition_key.empty()) route.partition_key = said.partition_key;
  for (const MessageHeader& header : said.headers) set_header(route, header.name, header.value, arena);
}

Result<std::unique_ptr<const MessagePlan>> MessagePlan::make(const MessageRule& rule, OutputTable& output, const PatternCapture& capture) {
  auto plan = std::make_unique<MessagePlan>();
  plan->schema_ = output.schema;
  const TableSchema& source = *output.source;
  TAILRACE_TRY(plan->topic_, BoundTemplate::bind(rule.topic, source, *output.schema, capture));
  if (plan->topic_.is_constant()) output.topic = plan->topic_.constant();
  for (const std::string& name : rule.partition_by) {
    int at = output.schema->find_column(name);
    if (at < 0) {
      std::vector<std::string> names;
      for (const Column& column : output.schema->columns) names.push_back(column.name);
      return Status(ErrorCode::kRuleColumn,
                    fmt::format("partition_by: {} has no column `{}`{}", output.schema->qualified_name(), name, did_you_mean(name, names)));
    }
    plan->partition_by_.push_back(static_cast<uint16_t>(at));
  }
  for (const auto& [name, text] : rule.headers) {
    TAILRACE_TRY(BoundTemplate bound, BoundTemplate::bind(text, source, *output.schema, capture));
    plan->headers_.emplace_back(name, std::move(bound));
  }
  plan->body_ = rule.body;
  if (rule.body == MessageRule::Body::kLine) {
    TAILRACE_TRY(plan->line_, BoundTemplate::bind(rule.line, source, *output.schema, capture));
  }
  if (rule.body == MessageRule::Body::kFunction) plan->serialize_ = rule.function;
  output.format = rule.format;
  bool by_row = plan->routes_by_row() || !plan->headers_.empty() ||
                (rule.body != MessageRule::Body::kSink && rule.body != MessageRule::Body::kFormat);
  if (!by_row) return std::unique_ptr<const MessagePlan>();
  return std::unique_ptr<const MessagePlan>(std::move(plan));
}

Status MessagePlan::append(const BoundTemplate& text, std::string_view what, Row row, Row other, const MetaSource& meta, Arena& arena,
                           std::string& out) const {
  BoundTemplate::Fault fault = text.append(row, other, *schema_, meta, arena, out);
  if (!fault) return Status();
  ErrorCode code = fault.fault == FilterFault::kAbsent ? ErrorCode::kRuleColumn : ErrorCode::kRuleRuntime;
  return Status(code, fmt::format("{}: `{}` {}", what, fault.name, describe_fault(fault.fault)));
}

// The values as text, joined by U+0001, as message keys are. NULL is "null".
Status MessagePlan::append_partition(Row row, Row other, std::string& out) const {
  for (size_t i = 0; i < partition_by_.size(); ++i) {
    uint16_t at = partition_by_[i];
    const Value& value = row[at].is_absent() && !other.empty() ? other[at] : row[at];
    if (i) out += '\x01';
    if (value.is_null()) {
      out += "null";
      continue;
    }
    FilterFault fault = append_filtered({}, value, schema_->columns[at], out);
    if (fault != FilterFault::kNone) {
      return Status(ErrorCode::kRuleColumn, fmt::format("partition_by: `{}` {}", schema_->columns[at].name, describe_fault(fault)));
    }
  }
  return Status();
}

Status MessagePlan::append_json(Row row, std::string& out) const {
  std::string object;
  JsonWriter json(object);
  char before = '{';
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].is_absent()) continue;
    const Column& column = schema_->columns[i];
    json.raw(before);
    before = ',';
    if (!json.string(column.name)) return Status(ErrorCode::kFormatValue, "a column's name is not valid UTF-8");
    json.raw(':');
    if (FilterFault fault = write_json(row[i], column, json); fault != FilterFault::kNone) {
      return Status(ErrorCode::kFormatValue, fmt::format("json: `{}` {}", column.name, describe_fault(fault)));
    }
  }
  json.raw(before == '{' ? "{}" : "}");
  json.finish();
  out += object;
  return Status();
}

Result<bool> MessagePlan::moves(Row before, Row after, const MetaSource& meta, Arena& arena, std::string& scratch) const {
  scratch.clear();
  auto way = [&](Row row, Row other) -> Status {
    if (!topic_.is_constant()) TAILRACE_OK(append(topic_, "topic", row, other, meta, arena, scratch));
    scratch += '\0';
    return append_partition(row, other, scratch);
  };
  TAILRACE_OK(way(before, Row()));
  size_t cut = scratch.size();
  TAILRACE_OK(way(after, before));
  return std::string_view(scratch).substr(0, cut) != std::string_view(scratch).substr(cut);
}

Result<EventRoute*> MessagePlan::route(Row row, Row other, const MetaSource& meta, Arena& arena, std::string& scratch) const {
  auto* out = new (arena.allocate(sizeof(EventRoute), alignof(EventRoute))) EventRoute();
  if (!topic_.is_constant()) {
    scratch.clear();
    TAILRACE_OK(append(topic_, "topic", row, other, meta, arena, scratch));
    if (scratch.empty()) return Status(ErrorCode::kRuleRuntime, "topic: the text is empty");
    out->topic = kept(scratch, arena);
  }
  if (!partition_by_.empty()) {
    scratch.clear();
    TAILRACE_OK(append_partition(row, other, scratch));
    out->partition_key = kept(scratch, arena);
  }
  if (!headers_.empty()) {
    auto* headers = arena.allocate_array<MessageHeader>(headers_.size());
    size_t count = 0;
    for (const auto& [name, text] : headers_) {
      scratch.clear();
      BoundTemplate::Fault fault = text.append(row, other, *schema_, meta, arena, scratch);
      if (fault.fault == FilterFault::kNull) continue;  // a header without a value is left out
      if (fault) {
        return Status(fault.fault == FilterFault::kAbsent ? ErrorCode::kRuleColumn : ErrorCode::kRuleRuntime,
                      fmt::format("headers.{}: `{}` {}", name, fault.name, describe_fault(fault.fault)));
      }
      new (headers + count++) MessageHeader{name, kept(scratch, arena)};
    }
    out->headers = {headers, count};
  }
  if (body_ == MessageRule::Body::kLine || body_ == MessageRule::Body::kJson) {
    scratch.clear();
    if (body_ == MessageRule::Body::kJson) {
      TAILRACE_OK(append_json(row, scratch));
    } else {
      TAILRACE_OK(append(line_, "serialize", row, other, meta, arena, scratch));
    }
    out->has_payload = true;
    out->payload = kept(scratch, arena);
  }
  return out;
}

}  // namespace tailrace
