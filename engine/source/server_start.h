// Where a server's log is to be read from, for the forms of a start point. Reader thread.
#pragma once
#include <functional>
#include <string>

#include "event/start_point.h"
#include "mysql/binlog_wire.h"
#include "mysql/gtid.h"

namespace tailrace {

// Opens another stream of the same server; the caller keeps it, and may interrupt it, until the next call.
using OpenWire = std::function<Result<BinlogWire*>()>;

// A time: the file is found by the first events of files, then read to the first transaction committed at or after
// it. Earlier than the log is SRC-0007 with the earliest time there is, later than the server's clock CFG-0003.
Result<LogPosition> find_start(Connection& connection, const StartPoint& start, const OpenWire& open_wire);

// Is the place of file and offset, which somebody wrote, one between two transactions? SRC-0015: inside of one.
Status check_place(Connection& connection, const LogPosition& at, const OpenWire& open_wire);

// Completes file and offset with the GTID set before them: asked of MariaDB, read in the file of MySQL.
Status add_gtid_set(Connection& connection, LogPosition& at, const OpenWire& open_wire);

}  // namespace tailrace
