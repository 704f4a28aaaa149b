// RowStream: the rows of one SELECT in the binary protocol, one at a time as the server sends them. Holds the
// Connection busy until it is destroyed; what is left of the result is then read and dropped.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "mysql/charset.h"
#include "mysql/connection.h"

struct st_mysql_stmt;

namespace tailrace {

class RowStream {
 public:
  // `connection` must outlive the stream.
  static Result<RowStream> open(Connection& connection, std::string_view sql);
  RowStream(RowStream&&) noexcept = default;
  RowStream& operator=(RowStream&&) noexcept = default;

  Result<bool> next();  // false: the end
  size_t columns() const noexcept;
  uint8_t wire_type(size_t column) const noexcept;
  const Charset* charset(size_t column) const noexcept { return charsets_[column]; }  // of the bytes that are sent
  // Where the cell of the current row lies, valid until the next `next`; null = NULL. See value_from_result.
  const uint8_t* cell(size_t column) const noexcept;
  // Gives up: the session is dead afterwards, and the rest of the result is not waited for.
  void abandon() noexcept;

 private:
  struct Close {
    void operator()(st_mysql_stmt* statement) const noexcept;
  };
  RowStream(Connection& connection, st_mysql_stmt* statement) : connection_(&connection), statement_(statement) {}
  Status failure() const;

  Connection* connection_;
  std::vector<const Charset*> charsets_;
  std::unique_ptr<st_mysql_stmt, Close> statement_;
};

}  // namespace tailrace
