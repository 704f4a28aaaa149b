// Flavor upstream of the debezium format: the messages of Debezium 3 itself. See docs/formats.md.
#pragma once
#include <memory>
#include <string>

#include "format/message_format.h"

namespace tailrace {

enum class DecimalMode : uint8_t { kPrecise, kString, kDouble };

struct DebeziumUpstreamOptions {
  std::string connector;  // "mysql", "mariadb"
  std::string version;
  std::string name;  // the prefix of topics
  bool include_schema = false;
  bool tombstones = true;
  DecimalMode decimals = DecimalMode::kPrecise;
};

std::unique_ptr<MessageFormat> make_debezium_upstream(DebeziumUpstreamOptions options);

// Internal: the schemas of a table's messages, as Kafka Connect's JSON has them.
std::string debezium_value_schema(const TableSchema& table, const DebeziumUpstreamOptions& options);
std::string debezium_key_schema(const TableSchema& table, const DebeziumUpstreamOptions& options);

}  // namespace tailrace
