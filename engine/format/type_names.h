// What the formats call the types of columns, as data.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "event/schema.h"

namespace tailrace {

struct TypeNames {
  std::string_view type;     // as in Column::type_name
  int java_sql;              // java.sql.Types as the Canal format has them
  int upstream_java_sql;     // as Canal itself has them
  int protocol;              // number of the type in the MySQL protocol
  std::string_view connect;  // Kafka Connect's name of the type in the Debezium format
};
// The row of the column's type; of a type that is not listed, a row of its kind with an empty `type`.
const TypeNames& type_names(const Column& column) noexcept;

std::string upper_type(const Column& column);  // "VARCHAR"
std::string lower_type(const Column& column);

// Types of an Oracle-mode source.
struct OracleType {
  std::string_view name;  // upper case, without lengths
  Kind kind;              // what carries its values; kText: as they are printed
  int java_sql;
  bool is_time;  // YYYY-MM-DD HH:mm:ss[.n] [zone], without trailing zeros
};
std::span<const OracleType> oracle_types() noexcept;
// Oracle-mode sources: OB_ORACLE, ORACLE; case-insensitive.
bool is_oracle_mode(std::string_view db_type) noexcept;
// CFG-0003 when the source's kind is one in Oracle mode, which this format does not know.
Status refuse_oracle_mode(std::string_view format, std::string_view db_type);
// OceanBase in any mode.
bool is_oceanbase(std::string_view db_type) noexcept;

}  // namespace tailrace
