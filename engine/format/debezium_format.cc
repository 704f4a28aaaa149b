#include "format/envelope_format.h"

namespace tailrace {
namespace {

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "source.connector"},
    {"version", "string", "", "source.version"},
    {"name", "string", "OMS", "source.name"},
    {"include_schema", "bool", "false", "schema and payload instead of the payload alone"},
};

Result<std::unique_ptr<MessageFormat>> create_debezium(const Options& options) {
  EnvelopeOptions given;
  given.db_type = options.text("db_type");
  given.version = options.text("version");
  given.name = options.text("name");
  given.include_schema = options.boolean("include_schema");
  return EnvelopeFormat::create(std::move(given));
}

}  // namespace

extern const FormatInfo tailrace_format_debezium;
const FormatInfo tailrace_format_debezium{"debezium", "Debezium-style change envelope", kOptions, &create_debezium};

}  // namespace tailrace
