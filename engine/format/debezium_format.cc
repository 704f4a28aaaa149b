#include "format/debezium_upstream.h"
#include "format/envelope_format.h"
#include "format/type_names.h"

namespace tailrace {
namespace {

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "source.connector"},
    {"version", "string", "", "source.version"},
    {"name", "string", "OMS", "source.name; of flavor upstream also the start of the schemas' names"},
    {"include_schema", "bool", "false", "schema and payload instead of the payload alone"},
    {"flavor", "enum:oms|upstream", "oms", "upstream: what Debezium itself sends"},
    {"decimal_handling", "enum:precise|string|double", "precise", "flavor upstream: DECIMAL as bytes, text or number"},
    {"tombstones", "bool", "true", "flavor upstream: an empty message with the key follows a delete"},
};

Result<std::unique_ptr<MessageFormat>> create_upstream(const Options& options) {
  TAILRACE_OK(refuse_oracle_mode("Debezium", options.text("db_type")));
  DebeziumUpstreamOptions given;
  for (char c : options.text("db_type")) given.connector += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  given.version = options.text("version");
  given.name = options.text("name");
  given.include_schema = options.boolean("include_schema");
  given.tombstones = options.boolean("tombstones");
  const std::string& decimals = options.text("decimal_handling");
  if (decimals == "string") given.decimals = DecimalMode::kString;
  if (decimals == "double") given.decimals = DecimalMode::kDouble;
  return make_debezium_upstream(std::move(given));
}

Result<std::unique_ptr<MessageFormat>> create_debezium(const Options& options) {
  if (options.text("flavor") == "upstream") return create_upstream(options);
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
