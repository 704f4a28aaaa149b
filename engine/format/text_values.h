// Values as the text formats write them: Default, DefaultExtendColumnType, Canal, DataWorks, SharePlex.
#pragma once
#include <optional>
#include <string_view>

#include "base/status.h"
#include "event/event_batch.h"
#include "format/json_writer.h"
#include "format/table_plan.h"
#include "format/time_zone.h"

namespace tailrace {

// Where the formats differ.
struct TextForms {
  bool latin1_bytes = false;       // one code point per byte instead of Base64
  bool bits_as_number = false;     // instead of bytes
  bool full_bits = false;          // BIT as bytes keeps its leading zero bytes
  const TimeZone* zone = nullptr;  // TIMESTAMP as text in this zone instead of epoch seconds
};

inline constexpr std::string_view kNoText = "is not valid UTF-8";

// What is wrong with the value, or "".
std::string_view write_text_value(JsonWriter& json, const Column& column, const Value& value, const TextForms& forms);
// Whether an update changed the column: a partial image after it has the changed columns.
bool is_changed(const ChangeEvent& event, size_t column) noexcept;
enum class Which : uint8_t { kAll, kChanged };
// {"column":value,…}: the columns that the image has, all or those that an update changed. `row`: event.before or
// event.after. `more`, which begins with a comma, is written before the closing brace.
Status write_text_image(JsonWriter& json, const TablePlan& plan, const EventBatch& batch, const ChangeEvent& event, Row row,
                        const TextForms& forms, Which which = Which::kAll, std::string_view more = {});
// Text or null.
[[nodiscard]] bool write_text_or_null(JsonWriter& json, std::string_view text);
void write_number_or_null(JsonWriter& json, const std::optional<int64_t>& number);

}  // namespace tailrace
