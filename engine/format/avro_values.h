// Values of the Avro format: as branches of the images' union, and as they are printed.
#pragma once
#include "base/status.h"
#include "event/event_batch.h"
#include "format/avro_writer.h"
#include "format/json_writer.h"

namespace tailrace {

// Branches of the union of one value.
enum class AvroBranch : uint8_t {
  kNull,
  kInteger,
  kCharacter,
  kDecimal,
  kFloat,
  kTimestamp,
  kDateTime,
  kTimestampWithTimeZone,
  kBinaryGeometry,
  kTextGeometry,
  kBinaryObject,
  kTextObject,
  kEmptyObject
};

// Whole image: array of values in the order of the columns. A column that the image lacks is EmptyObject NONE.
Status write_avro_image(AvroWriter& avro, const EventBatch& batch, const ChangeEvent& event, Row row);
// The same as Java prints a record.
Status print_avro_image(JsonWriter& json, const EventBatch& batch, const ChangeEvent& event, Row row);

}  // namespace tailrace
