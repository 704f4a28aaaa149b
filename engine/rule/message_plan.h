// MessagePlan: what the rules say about the messages of one output, compiled for one table. Immutable.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "rule/message_rule.h"
#include "rule/text_template.h"

namespace tailrace {

// Puts what `said` says over `route`: texts that are not empty, headers by name.
void overlay_route(EventRoute& route, const EventRoute& said, Arena& arena);
// Sets one header, in place of one of the same name. Both texts live as long as the batch.
void set_header(EventRoute& route, std::string_view name, std::string_view value, Arena& arena);

class MessagePlan {
 public:
  // Null when nothing is left to do per row: a constant topic and a format's name go to `output`.
  static Result<std::unique_ptr<const MessagePlan>> make(const MessageRule& rule, OutputTable& output, const PatternCapture& capture);

  // True when another row of the table can have another topic or partition.
  bool routes_by_row() const noexcept { return !topic_.is_constant() || !partition_by_.empty(); }
  // Whether two images of one row go different ways. REQUIRES: both whole in the columns that decide.
  Result<bool> moves(Row before, Row after, const MetaSource& meta, Arena& arena, std::string& scratch) const;
  // The route of a row; absent cells come from `other`. Texts are of the batch's arena.
  Result<EventRoute*> route(Row row, Row other, const MetaSource& meta, Arena& arena, std::string& scratch) const;
  int serialize() const noexcept { return serialize_; }  // the host's number of the function, or -1
  // Is the message made by the rules, not by a format?
  bool has_body() const noexcept { return body_ != MessageRule::Body::kSink && body_ != MessageRule::Body::kFormat; }
  const TableSchema& schema() const noexcept { return *schema_; }

 private:
  Status append(const BoundTemplate& text, std::string_view what, Row row, Row other, const MetaSource& meta, Arena& arena,
                std::string& out) const;
  Status append_partition(Row row, Row other, std::string& out) const;
  Status append_json(Row row, std::string& out) const;

  SchemaRef schema_;
  BoundTemplate topic_;
  std::vector<uint16_t> partition_by_;
  std::vector<std::pair<std::string, BoundTemplate>> headers_;
  MessageRule::Body body_ = MessageRule::Body::kSink;
  BoundTemplate line_;
  int serialize_ = -1;
};

}  // namespace tailrace
