#include "mysql/row_stream.h"

#include <mysql.h>
#include <sys/socket.h>

namespace tailrace {

void RowStream::Close::operator()(st_mysql_stmt* statement) const noexcept { mysql_stmt_close(statement); }

Status RowStream::failure() const {
  // A failure on the wire is noted at the session only.
  if (mysql_stmt_errno(statement_.get()) == 0) return connection_->failure();
  return mysql_status(mysql_stmt_errno(statement_.get()), mysql_stmt_error(statement_.get()), connection_->options().address());
}

Result<RowStream> RowStream::open(Connection& connection, std::string_view sql) {
  MYSQL_STMT* statement = mysql_stmt_init(connection.handle());
  if (!statement) return Status(ErrorCode::kOutOfMemory, "no memory for a statement");
  RowStream stream(connection, statement);
  if (mysql_stmt_prepare(statement, sql.data(), sql.size())) return stream.failure();
  if (mysql_stmt_execute(statement)) return stream.failure();
  for (unsigned i = 0; i < statement->field_count; ++i) {
    stream.charsets_.push_back(charset_of_collation(static_cast<uint16_t>(statement->fields[i].charsetnr)));
  }
  return stream;
}

Result<bool> RowStream::next() {
  // Nothing is bound: the library then only finds the cells, and leaves them where they are.
  int outcome = mysql_stmt_fetch(statement_.get());
  if (outcome == 0) return true;
  if (outcome == MYSQL_NO_DATA) return false;
  return failure();
}

void RowStream::abandon() noexcept {
  int socket = static_cast<int>(mysql_get_socket(connection_->handle()));
  // Closed with a reset, so that a server in the middle of sending stops and frees the table.
  linger at_once{1, 0};
  (void)::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);  // at worst it notices later
  ::shutdown(socket, SHUT_RDWR);
}

size_t RowStream::columns() const noexcept { return statement_->field_count; }
uint8_t RowStream::wire_type(size_t column) const noexcept { return static_cast<uint8_t>(statement_->fields[column].type); }
const uint8_t* RowStream::cell(size_t column) const noexcept { return statement_->bind[column].u.row_ptr; }

}  // namespace tailrace
