// Flavor upstream of the canal format: the flat messages of Canal itself. See docs/formats.md.
#pragma once
#include <memory>

#include "format/message_format.h"
#include "format/time_zone.h"

namespace tailrace {

std::unique_ptr<MessageFormat> make_canal_upstream(TimeZone zone, bool latin1_bytes);
// A FLOAT or DOUBLE as Java's toString prints it: "1.0", "1.0E10". Appends.
void append_java_double(double value, bool is_float32, std::string& out);

}  // namespace tailrace
