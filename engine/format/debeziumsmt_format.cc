#include "format/envelope_format.h"

namespace tailrace {
namespace {

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "kind of the source; no member shows it"},
};

Result<std::unique_ptr<MessageFormat>> create_smt(const Options& options) {
  EnvelopeOptions given;
  given.shape = EnvelopeShape::kRow;
  given.db_type = options.text("db_type");
  return EnvelopeFormat::create(std::move(given));
}

}  // namespace

extern const FormatInfo tailrace_format_debeziumsmt;
const FormatInfo tailrace_format_debeziumsmt{"debeziumsmt", "the row, flat, and __deleted", kOptions, &create_smt};

}  // namespace tailrace
