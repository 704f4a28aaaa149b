// The SnapshotReader of MySQL and MariaDB: tables by chunks of their key, or whole, without stopping the writers.
#pragma once
#include <memory>

#include "mysql/connection.h"
#include "mysql/schema_reader.h"
#include "source/source.h"

namespace tailrace {

// Connects at the first use, and again after a failure. `choice` says which tables the snapshot is about; what it
// refers to must outlive the reader. Without `needs_log` a server that keeps no log is read as well: positions then
// mean nothing, and every chunk is the state at its own moment.
std::unique_ptr<SnapshotReader> make_snapshot_reader(ConnectOptions options, TableChoice choice, bool needs_log = true);

}  // namespace tailrace
