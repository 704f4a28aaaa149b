#include "format/text_values.h"

#include <array>

#include "event/value_text.h"
#include "format/record_key.h"
#include "format/value_chars.h"

namespace tailrace {
namespace {

void put_quoted(JsonWriter& json, const Value& value, const TextForms& forms) {
  char* to = json.reserve(kValueChars);
  *to++ = '"';
  switch (value.kind) {
    case Kind::kDate: to = put_date(to, unpack_date(value.u)); break;
    case Kind::kTime: to = put_time(to, value.i, value.scale); break;
    case Kind::kDateTime: to = put_datetime(to, value.u, value.scale); break;
    default: to = forms.zone ? put_local(to, value.i, *forms.zone) : put_epoch(to, value.i); break;
  }
  *to++ = '"';
  json.advance(to);
}

}  // namespace

bool is_changed(const ChangeEvent& event, size_t i) noexcept {
  if (i >= event.after.size() || event.after[i].is_absent()) return false;
  return i >= event.before.size() || !identical(event.before[i], event.after[i]);
}

std::string_view write_text_value(JsonWriter& json, const Column& column, const Value& value, const TextForms& forms) {
  switch (value.kind) {
    case Kind::kAbsent:
    case Kind::kNull: json.raw("null"); return {};
    case Kind::kInt: json.number(value.i); return {};
    case Kind::kUint:
    case Kind::kYear: json.number(value.u); return {};
    case Kind::kDouble: return json.number(value.d, value.flags & kFloat32) ? "" : "is not a finite number";
    case Kind::kDecimal: json.raw(value.text()); return {};
    case Kind::kText:
    case Kind::kJson: return json.string(value.text()) ? std::string_view() : kNoText;
    case Kind::kBytes:
    case Kind::kGeometry:
      if (forms.latin1_bytes) {
        json.latin1(value.text());
      } else {
        json.base64(value.text());
      }
      return {};
    case Kind::kDate:
    case Kind::kTime:
    case Kind::kDateTime:
    case Kind::kTimestamp: put_quoted(json, value, forms); return {};
    case Kind::kBit: {
      if (forms.bits_as_number) {
        json.number(value.u);
        return {};
      }
      std::array<char, 8> space;
      json.base64(bit_bytes(value.u, column.length, forms.full_bits, space));
      return {};
    }
    case Kind::kEnum:
      if (value.u == 0) return json.string("") ? std::string_view() : kNoText;
      if (value.u > column.labels.size()) return "has an ENUM number without a label";
      return json.string(column.labels[value.u - 1]) ? std::string_view() : kNoText;
    case Kind::kSet: return json.string(to_text(value, column)) ? std::string_view() : kNoText;
  }
  return "is of a kind this format does not know";
}

Status write_text_image(JsonWriter& json, const TablePlan& plan, const EventBatch& batch, const ChangeEvent& event, Row row,
                        const TextForms& forms, Which which, std::string_view more) {
  const std::vector<Column>& columns = event.table->columns;
  json.raw('{');
  bool first = true;
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].is_absent()) continue;
    if (which == Which::kChanged && !is_changed(event, i)) continue;
    std::string_view member = plan.members[i];
    if (first) member.remove_prefix(1);
    first = false;
    json.raw(member);
    std::string_view wrong = write_text_value(json, columns[i], row[i], forms);
    if (!wrong.empty()) return unwritable(batch, event, i, std::string(wrong));
  }
  if (!more.empty()) json.raw(first ? more.substr(1) : more);
  json.raw('}');
  return {};
}

bool write_text_or_null(JsonWriter& json, std::string_view text) {
  if (text.data() != nullptr) return json.string(text);
  json.raw("null");
  return true;
}

void write_number_or_null(JsonWriter& json, const std::optional<int64_t>& number) {
  if (number) {
    json.number(*number);
  } else {
    json.raw("null");
  }
}

}  // namespace tailrace
