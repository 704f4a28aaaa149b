// LogRecorder: keeps a span of a server's binary log as files that `binlog://` reads: the server's events, byte for byte, without
// those it makes up for the stream. Files keep the server's names; offsets are those of the copy, which begins with a description
// of the format and the first transaction. One thread.
#pragma once
#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/start_point.h"
#include "event/table_filter.h"
#include "mysql/binlog_event.h"
#include "mysql/binlog_wire.h"
#include "mysql/connection.h"

namespace tailrace {

class LogRecorder {
 public:
  // `folder` is there, and empty. From "now" on, schema.sql with the tables as they are goes into it, where the log does not name
  // columns.
  static Result<std::unique_ptr<LogRecorder>> open(const ConnectOptions& host, const StartPoint& start, const TableFilter& tables,
                                                   const std::string& folder);

  // Takes what comes within `timeout`. True: something came.
  Result<bool> step(std::chrono::milliseconds timeout);
  // A transaction that has not come to its end is cut off. Nothing else may be called afterwards.
  Status close();

  uint64_t transactions() const noexcept { return transactions_; }
  uint64_t bytes() const noexcept { return bytes_; }
  const std::vector<std::string>& files() const noexcept { return files_; }
  bool has_schema() const noexcept { return has_schema_; }
  // The log tells the names of columns itself.
  bool names_columns() const noexcept { return names_columns_; }

 private:
  LogRecorder(std::string folder) : folder_(std::move(folder)) {}
  Status begin(const ConnectOptions& host, const StartPoint& start, const TableFilter& tables);
  Status write_schema(Connection& connection, const TableFilter& tables);
  Status take(std::string_view event);
  Status follow(const EventHeader& header, std::string_view event);
  Status next_file(std::string name);
  Status write(std::string_view event);
  Status cut_open();

  const std::string folder_;
  std::unique_ptr<BinlogWire> wire_;
  std::optional<FormatDescription> format_;
  std::string name_;      // of the file being read
  std::ofstream out_;     // it, once there is something to write
  uint64_t size_ = 0;     // of it
  uint64_t whole_ = 0;    // up to here there are whole transactions
  bool is_open_ = false;  // a transaction has begun
  std::vector<std::string> files_;
  uint64_t transactions_ = 0, bytes_ = 0;
  bool has_schema_ = false, names_columns_ = false;
};

}  // namespace tailrace
