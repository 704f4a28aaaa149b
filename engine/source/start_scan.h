// StartScan: walks a log event by event, looking at no row, to the first transaction committed at or after a time.
// One thread, one use.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "mysql/binlog_event.h"
#include "mysql/gtid.h"

namespace tailrace {

// May a reader begin with an event of this type? `has_gtids`: every transaction of the log begins with a GTID event.
bool begins_transaction(uint8_t type, bool has_gtids) noexcept;
// SRC-0015 for a place that is not one.
Status not_between(const LogPosition& at, uint8_t type);

class StartScan {
 public:
  // `from`: the start of a file. Logs that keep whole seconds only are searched for the second that holds `time_us`.
  StartScan(int64_t time_us, LogPosition from) : time_us_(time_us), at_(std::move(from)), offset_(at_.offset) {}

  // Where the next event stands, for a reader of files; a server's stream tells it itself.
  void locate(const std::string& file, uint64_t offset);
  // One event with its header. Nothing is done once a transaction was found.
  Status take(std::string_view event);
  bool found() const noexcept { return found_; }
  // Before the transaction found, or else after the last event taken. The set is there when the log told it.
  LogPosition position() const;
  // The same without the set: cheap.
  LogPosition place() const;
  // Of the first event with a time; 0 = none yet.
  int64_t first_time_us() const noexcept { return first_time_us_; }

 private:
  const int64_t time_us_;
  LogPosition at_;   // before the transaction being passed
  uint64_t offset_;  // end of the last event
  bool located_ = false;
  bool found_ = false;
  bool has_gtids_ = false;  // every transaction begins with a GTID event
  bool open_ = false;       // without GTIDs: between BEGIN and the end
  bool set_known_ = false, set_is_maria_ = false;
  MysqlGtidSet mysql_set_;
  MariaGtidList maria_set_;
  int64_t first_time_us_ = 0;
  std::unique_ptr<const FormatDescription> format_;
};

}  // namespace tailrace
