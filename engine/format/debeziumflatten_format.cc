#include "format/envelope_format.h"

namespace tailrace {
namespace {

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "source.connector"},
    {"version", "string", "", "source.version"},
    {"name", "string", "OMS", "source.name"},
};

Result<std::unique_ptr<MessageFormat>> create_flatten(const Options& options) {
  EnvelopeOptions given;
  given.shape = EnvelopeShape::kFlat;
  given.db_type = options.text("db_type");
  given.version = options.text("version");
  given.name = options.text("name");
  return EnvelopeFormat::create(std::move(given));
}

}  // namespace

extern const FormatInfo tailrace_format_debeziumflatten;
const FormatInfo tailrace_format_debeziumflatten{"debeziumflatten", "the Debezium payload without its envelope", kOptions, &create_flatten};

}  // namespace tailrace
