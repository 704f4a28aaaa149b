// MysqlSource: change stream of a running MySQL or MariaDB server. open, read: reader thread; decode: any thread;
// interrupt, current_position, snapshot_reader: any thread, each with a connection of its own.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "mysql/binlog_wire.h"
#include "mysql/connection.h"
#include "source/log_assembler.h"
#include "source/source.h"

namespace tailrace {

class MysqlSource : public Source {
 public:
  MysqlSource(ConnectOptions options, const SourceContext& context);

  Status open(const std::optional<Position>& from) override;
  Result<ReadState> read(std::unique_ptr<RawBatch>& out, size_t max_bytes, std::stop_token stop) override;
  Status decode(const RawBatch& in, EventBatch& out) const override;
  bool covers(const Position& at, const Transaction& transaction) const override;
  bool reached(const Position& at, const Position& target) const override;
  Position start_position() const override { return start_; }
  Result<Position> current_position() override;
  Result<std::unique_ptr<SnapshotReader>> snapshot_reader() override;
  void interrupt() noexcept override;

 private:
  Result<SchemaRef> fetch_schema(const std::string& database, const std::string& table);
  Status check_server(Connection& connection) const;
  Status open_without_log(const std::optional<Position>& from);
  Status start_stream(const LogPosition& at);
  Status explain(Status failure) const;
  Result<ReadState> fail(Status failure, std::unique_ptr<RawBatch>& out);
  Result<ReadState> hand_out(std::unique_ptr<RawBatch>& out);
  bool chosen(std::string_view database, std::string_view table) const;

  const ConnectOptions options_;
  const SourceContext context_;
  std::optional<Connection> control_;    // queries of the reader thread
  SchemaTracker schemas_;
  BinlogAssembler assembler_;
  Position start_;
  bool is_mariadb_ = false;
  bool has_log_ = true;                  // false only when no stream is wanted and the server keeps no log
  Status failure_;                       // told once what came before it has been handed out

  std::mutex wire_mutex_;                // guards the pointer, not the use by the reader thread
  std::unique_ptr<BinlogWire> wire_;
  bool interrupted_ = false;
};

}  // namespace tailrace
