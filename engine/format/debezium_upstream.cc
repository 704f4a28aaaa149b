#include "format/debezium_upstream.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "event/value_text.h"
#include "format/record_key.h"
#include "format/table_plan.h"
#include "format/text_values.h"
#include "format/value_chars.h"

namespace tailrace {
namespace {

constexpr size_t kSridBytes = 4, kPointBytes = 4 + 1 + 4 + 8 + 8;
constexpr int64_t kNanosecondsPerMicrosecond = 1000;

// Digits of a DECIMAL at the column's scale, as java.math.BigInteger.toByteArray lays the number out: two's complement,
// big-endian, no more bytes than needed. Nothing when it has more digits than the 256 bits hold or the scale allows.
std::optional<std::string> unscaled_bytes(std::string_view text, unsigned scale) {
  std::array<uint32_t, 8> limbs{};
  bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  unsigned fraction = 0;
  bool in_fraction = false;
  auto push = [&](unsigned digit) {
    uint64_t carry = digit;
    for (uint32_t& limb : limbs) {
      carry += static_cast<uint64_t>(limb) * 10;
      limb = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    return carry == 0;
  };
  for (char c : text) {
    if (c == '.') {
      in_fraction = true;
      continue;
    }
    if (in_fraction) ++fraction;
    if (!push(static_cast<unsigned>(c - '0'))) return std::nullopt;
  }
  if (fraction > scale) return std::nullopt;
  for (; fraction < scale; ++fraction) {
    if (!push(0)) return std::nullopt;
  }
  if (limbs[7] >> 31) return std::nullopt;  // the sign needs its bit
  if (negative) {
    uint64_t carry = 1;
    for (uint32_t& limb : limbs) {
      carry += static_cast<uint32_t>(~limb);
      limb = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  std::string bytes;
  for (size_t i = limbs.size(); i-- > 0;) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(limbs[i] >> shift));
  }
  char filler = negative && limbs[7] >> 31 ? '\xFF' : '\0';
  size_t from = 0;
  while (from + 1 < bytes.size() && bytes[from] == filler && ((bytes[from + 1] & 0x80) != 0) == (filler != 0)) ++from;
  return bytes.substr(from);
}

template <class T>
T little_endian(std::string_view bytes) noexcept {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

class DebeziumUpstream final : public MessageFormat {
 public:
  explicit DebeziumUpstream(DebeziumUpstreamOptions options)
      : options_(std::move(options)),
        source_(fmt::format(R"(,"source":{{"version":{},"connector":{},"name":{})", json_quoted(options_.version),
                            json_quoted(options_.connector), json_quoted(options_.name))) {}

  Status write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const override {
    TAILRACE_OK(begin_record(batch, event, false, out));
    out.has_key = false;
    if (!is_row_event(event)) {
      out.skip = true;
      out.value.clear();
      return {};
    }
    std::unique_ptr<TablePlan> own;
    const TablePlan& plan = plans_.find(
        *event.table, [this](const TableSchema& t) { return make_plan(t); }, own);
    if (!event.table->primary_key.empty()) TAILRACE_OK(write_key(plan, batch, event, out));
    out.tombstone = options_.tombstones && event.op == Op::kDelete && out.has_key;

    JsonWriter json(out.value);
    json.raw(plan.prologue);
    json.raw(R"({"before":)");
    TAILRACE_OK(write_image(json, plan, batch, event, event.op == Op::kUpdate || event.op == Op::kDelete, event.before));
    json.raw(R"(,"after":)");
    TAILRACE_OK(write_image(json, plan, batch, event, event.op != Op::kDelete, event.after));
    TAILRACE_OK(write_source(json, plan, batch, event, meta));
    json.raw(R"(,"transaction":null,"op":")");
    json.raw(event.op == Op::kUpdate ? 'u' : event.op == Op::kDelete ? 'd' : event.op == Op::kRead ? 'r' : 'c');
    json.raw(R"(","ts_ms":)");
    json.number(meta.now_ms);
    json.raw(R"(,"ts_us":)");
    json.number(meta.now_ms * 1000);
    json.raw(R"(,"ts_ns":)");
    json.number(meta.now_ms * 1'000'000);
    json.raw(options_.include_schema ? "}}" : "}");
    json.finish();
    return {};
  }

 private:
  // prologue: what stands before the payload, for the value. types: the same for the key. metadata: names in source.
  TablePlan make_plan(const TableSchema& table) const {
    TablePlan plan = plan_columns(table);
    if (options_.include_schema) {
      plan.prologue = R"({"schema":)" + debezium_value_schema(table, options_) + R"(,"payload":)";
      plan.types = R"({"schema":)" + debezium_key_schema(table, options_) + R"(,"payload":)";
    }
    plan.metadata = fmt::format(R"(,"db":{},"sequence":null,"table":{})", json_quoted(table.database), json_quoted(table.table));
    return plan;
  }

  static Fraction fraction_of(Op op) noexcept { return op == Op::kRead ? Fraction::kTrimmed : Fraction::kFull; }

  Status write_key(const TablePlan& plan, const EventBatch& batch, const ChangeEvent& event, Record& out) const {
    Row row = routing_row(event);
    JsonWriter json(out.key);
    json.raw(plan.types);
    bool first = true;
    json.raw('{');
    for (size_t at : event.table->primary_key) {
      std::string_view member = plan.members[at];
      json.raw(first ? member.substr(1) : member);
      first = false;
      if (at >= row.size() || row[at].is_absent()) return unwritable(batch, event, at, "is not in the row image");
      std::string_view wrong = write_value(json, event.table->columns[at], row[at], fraction_of(event.op));
      if (!wrong.empty()) return unwritable(batch, event, at, std::string(wrong));
    }
    json.raw(options_.include_schema ? "}}" : "}");
    json.finish();
    out.has_key = true;
    return {};
  }

  Status write_source(JsonWriter& json, const TablePlan& plan, const EventBatch& batch, const ChangeEvent& event,
                      const EventMeta& meta) const {
    int64_t us = meta.commit_us.value_or(meta.now_ms * 1000);
    json.raw(source_);
    json.raw(R"(,"ts_ms":)");
    json.number(us / 1000);
    json.raw(event.op == Op::kRead ? R"(,"snapshot":"true")" : R"(,"snapshot":"false")");
    json.raw(plan.metadata);
    json.raw(R"(,"ts_us":)");
    json.number(us);
    json.raw(R"(,"ts_ns":)");
    json.number(us * kNanosecondsPerMicrosecond);
    json.raw(R"(,"server_id":)");
    json.number(meta.cluster_id.value_or(0));
    json.raw(R"(,"gtid":)");
    bool is_gtid = meta.unique_id.data() && meta.unique_id.find('.') == std::string_view::npos;
    bool is_text = write_text_or_null(json, is_gtid ? meta.unique_id : std::string_view());
    json.raw(R"(,"file":)");
    is_text = json.string(meta.position_file) && is_text;
    if (!is_text) return unwritable(batch, event, 0, "comes from a log whose name is not valid UTF-8");
    json.raw(R"(,"pos":)");
    json.number(meta.position_offset.value_or(0));
    json.raw(R"(,"row":0,"thread":null,"query":null})");
    return {};
  }

  Status write_image(JsonWriter& json, const TablePlan& plan, const EventBatch& batch, const ChangeEvent& event, bool is_there,
                     Row row) const {
    if (!is_there) {
      json.raw("null");
      return {};
    }
    json.raw('{');
    bool first = true;
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i].is_absent()) continue;
      std::string_view member = plan.members[i];
      json.raw(first ? member.substr(1) : member);
      first = false;
      std::string_view wrong = write_value(json, event.table->columns[i], row[i], fraction_of(event.op));
      if (!wrong.empty()) return unwritable(batch, event, i, std::string(wrong));
    }
    json.raw('}');
    return {};
  }

  std::string_view write_decimal(JsonWriter& json, const Column& column, const Value& value) const {
    if (options_.decimals == DecimalMode::kString) return json.string(value.text()) ? std::string_view() : kNoText;
    if (options_.decimals == DecimalMode::kDouble) {
      double number = 0;
      std::from_chars(value.p, value.p + value.size, number);
      return json.number(number, false) ? "" : "is not a finite number";
    }
    auto bytes = unscaled_bytes(value.text(), column.scale);
    if (!bytes) return "has more digits than its column";
    json.base64(*bytes);
    return {};
  }

  static std::string_view write_geometry(JsonWriter& json, const Column& column, std::string_view stored) {
    if (stored.size() <= kSridBytes) return "is no geometry that can be read";
    json.raw('{');
    if (column.type_name == "point") {
      if (stored.size() != kPointBytes) return "is no point that can be read";
      json.raw(R"("x":)");
      if (!json.number(little_endian<double>(stored.substr(9)), false)) return "is not a finite number";
      json.raw(R"(,"y":)");
      if (!json.number(little_endian<double>(stored.substr(17)), false)) return "is not a finite number";
      json.raw(',');
    }
    json.raw(R"("wkb":)");
    json.base64(stored.substr(kSridBytes));
    json.raw(R"(,"srid":)");
    auto srid = little_endian<uint32_t>(stored);
    if (srid != 0) {
      json.number(static_cast<uint64_t>(srid));
    } else {
      json.raw("null");
    }
    json.raw('}');
    return {};
  }

  static std::string_view write_vector(JsonWriter& json, std::string_view stored) {
    json.raw('[');
    for (size_t at = 0; at + 4 <= stored.size(); at += 4) {
      if (at) json.raw(',');
      if (!json.number(static_cast<double>(little_endian<float>(stored.substr(at))), true)) return "is not a finite number";
    }
    json.raw(']');
    return {};
  }

  static void write_moment(JsonWriter& json, const Column& column, const Value& value) {
    DateParts date = datetime_date(value.u);
    if (!is_real_date(date)) return json.raw(column.nullable ? "null" : "0");
    TimeParts time = datetime_time(value.u);
    int64_t seconds = days_from_civil(date) * 86'400 + time.hour * 3600 + time.minute * 60 + time.second;
    if (column.scale <= 3) {
      json.number(seconds * 1000 + time.microsecond / 1000);
    } else {
      json.number(seconds * 1'000'000 + time.microsecond);
    }
  }

  static void write_bits(JsonWriter& json, const Column& column, uint64_t bits) {
    if (column.length == 1) return json.raw(bits ? "true" : "false");
    std::array<char, 8> bytes;  // little-endian
    for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<char>(bits >> (8 * i));
    json.base64({bytes.data(), std::min<size_t>((column.length + 7) / 8, bytes.size())});
  }

  // `fraction`: of TIMESTAMP; Debezium cuts zeros off what it reads from tables, and not off what it reads from the log.
  std::string_view write_value(JsonWriter& json, const Column& column, const Value& value, Fraction fraction) const {
    switch (value.kind) {
      case Kind::kAbsent:
      case Kind::kNull: json.raw("null"); return {};
      case Kind::kInt: json.number(value.i); return {};
      case Kind::kUint: json.number(static_cast<int64_t>(value.u)); return {};  // Debezium's mode `long`
      case Kind::kYear: json.number(value.u); return {};
      case Kind::kDouble: return json.number(value.d, value.flags & kFloat32) ? "" : "is not a finite number";
      case Kind::kDecimal: return write_decimal(json, column, value);
      case Kind::kText:
      case Kind::kJson: return json.string(value.text()) ? std::string_view() : kNoText;
      case Kind::kBytes:
        if (column.type_name == "vector") return write_vector(json, value.text());
        json.base64(value.text());
        return {};
      case Kind::kGeometry: return write_geometry(json, column, value.text());
      case Kind::kDate:
        if (is_real_date(unpack_date(value.u))) {
          json.number(days_from_civil(unpack_date(value.u)));
        } else {
          json.raw(column.nullable ? "null" : "0");
        }
        return {};
      case Kind::kTime: json.number(value.i); return {};
      case Kind::kDateTime: write_moment(json, column, value); return {};
      case Kind::kTimestamp: {
        if (value.i == 0) {
          json.raw(column.nullable ? "null" : R"("1970-01-01T00:00:00Z")");
          return {};
        }
        char* to = json.reserve(kValueChars);
        *to++ = '"';
        to = put_utc(to, value.i, column.scale, fraction);
        *to++ = '"';
        json.advance(to);
        return {};
      }
      case Kind::kBit: write_bits(json, column, value.u); return {};
      case Kind::kEnum:
        if (value.u > column.labels.size()) return "has an ENUM number without a label";
        return json.string(value.u == 0 ? std::string_view("") : std::string_view(column.labels[value.u - 1])) ? std::string_view()
                                                                                                               : kNoText;
      case Kind::kSet: return json.string(to_text(value, column)) ? std::string_view() : kNoText;
    }
    return "is of a kind this format does not know";
  }

  const DebeziumUpstreamOptions options_;
  const std::string source_;  // up to source.name
  PlanCache plans_;
};

}  // namespace

std::unique_ptr<MessageFormat> make_debezium_upstream(DebeziumUpstreamOptions options) {
  return std::make_unique<DebeziumUpstream>(std::move(options));
}

}  // namespace tailrace
