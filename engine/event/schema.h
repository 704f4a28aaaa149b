// TableSchema: what a table looked like at one position of the log. Immutable once published, shared by
// reference count between batches, so a `const TableSchema*` is valid as long as its batch lives.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/value.h"

namespace tailrace {

struct Column {
  std::string name;
  std::string type_text;  // as the server prints it: "varchar(80)", "int(10) unsigned", "enum('a','b')"
  std::string type_name;  // lower-case base word of type_text: "varchar", "int", "enum", "geometry", "inet6"
  Kind kind = Kind::kText;
  bool is_unsigned = false;
  bool nullable = true;
  bool generated = false;           // VIRTUAL or STORED
  bool is_virtual = false;          // generated and not stored
  uint16_t charset = 0;             // MySQL collation id of a character column; 63 = binary; 0 = none or not known
  uint32_t length = 0;              // characters of CHAR/VARCHAR, bytes of BINARY/VARBINARY, bits of BIT, precision of DECIMAL
  uint8_t scale = 0;                // DECIMAL: digits after the point; TIME, DATETIME, TIMESTAMP: 0..6
  std::vector<std::string> labels;  // ENUM, SET: in definition order, UTF-8
  // What an INSERT that does not name the column puts there: nothing declared (the type's own zero), NULL, the value
  // whose text is default_text, or something computed per row.
  enum class Default : uint8_t { kUnknown, kImplicit, kNull, kText, kComputed };
  Default default_kind = Default::kUnknown;
  std::string default_text;
};

struct KeyPart {
  int32_t column = -1;  // index into TableSchema::columns; -1 = an expression
  uint32_t prefix = 0;  // characters (bytes of byte types); 0 = the whole column
  bool operator==(const KeyPart&) const = default;
};

struct TableKey {
  std::string name;  // "PRIMARY" for the primary key
  bool unique = false;
  std::vector<KeyPart> parts;
  bool operator==(const TableKey&) const = default;
};

struct TableSchema {
  uint64_t schema_id = 0;  // unique in the process; a changed table gets a new one
  std::string database;
  std::string table;
  std::vector<Column> columns;
  // Columns that identify a row: the primary key, else the first unique key whose columns are all NOT NULL; may be empty.
  std::vector<uint16_t> primary_key;
  // What a schema change needs besides: known only when `complete`.
  uint16_t collation = 0;      // default of new columns
  std::vector<TableKey> keys;  // all of them, in no certain order
  bool complete = false;

  std::string qualified_name() const { return database + "." + table; }
  // Index of the column, or -1. Case-sensitive.
  int find_column(std::string_view name) const noexcept;
};
using SchemaRef = std::shared_ptr<const TableSchema>;

uint64_t next_schema_id() noexcept;  // thread-safe

// The columns that identify a row, by `keys`: of the primary key, else of the first unique key by name that is made of
// whole, stored, NOT NULL columns; empty when there is none.
std::vector<uint16_t> row_key(const TableSchema& schema);
// Same columns and same key; ids, estimates and what only schema changes need do not count.
bool same_layout(const TableSchema& a, const TableSchema& b);
// Whether INSERTs leave the same values in columns they do not name. REQUIRES: the same columns.
bool same_defaults(const TableSchema& a, const TableSchema& b) noexcept;

// Stored form of a schema in the job file: JSON, stable across versions of the engine.
std::string schema_to_json(const TableSchema& schema);
class Status;
template <class T>
class Result;
Result<SchemaRef> schema_from_json(std::string_view json);

}  // namespace tailrace
