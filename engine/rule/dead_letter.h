// The dead letter of an event: the event as the source had it, as JSON that says enough to make the event again.
//
//   {"op":"update","gtid":"0-1-42","ordinal":0,"ts_us":…,"file":"bin.7","offset":4321,
//    "before":{"id":"7","data":{"base64":"AAE="},"x":null},"after":{…},"schema":{…}}
//
// Values are canonical text (event/value_text.h), NULL is null, bytes are {"base64"}, what was not logged is left out.
// `schema` is the stored form of event/schema.h.
#pragma once
#include "base/status.h"
#include "event/event_batch.h"
#include "event/stores.h"

namespace tailrace {

// REQUIRES: an event with a table, with the rows of the source.
DeadLetter make_dead_letter(const Status& failure, const EventBatch& batch, const ChangeEvent& source);

}  // namespace tailrace
