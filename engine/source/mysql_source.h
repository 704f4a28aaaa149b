// MysqlSource: change stream of a running MySQL or MariaDB server, or of whichever of several answers: they are taken
// for copies of one another that GTIDs keep in step. open, read: reader thread; decode: any thread; interrupt,
// current_position, snapshot_reader: any thread, each with a connection of its own.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mysql/binlog_wire.h"
#include "mysql/connection.h"
#include "source/heartbeat_table.h"
#include "source/log_assembler.h"
#include "source/source.h"

namespace tailrace {

class MysqlSource : public Source {
 public:
  MysqlSource(std::vector<ConnectOptions> hosts, HeartbeatOptions heartbeat, const SourceContext& context);
  MysqlSource(ConnectOptions host, const SourceContext& context) : MysqlSource(std::vector{std::move(host)}, {}, context) {}

  Status open(const std::optional<Position>& from) override;
  Result<ReadState> read(std::unique_ptr<RawBatch>& out, size_t max_bytes, std::stop_token stop) override;
  Status decode(const RawBatch& in, EventBatch& out) const override;
  bool covers(const Position& at, const Transaction& transaction) const override;
  bool reached(const Position& at, const Position& target) const override;
  Position start_position() const override { return start_; }
  Result<Position> current_position() override;
  Result<std::unique_ptr<SnapshotReader>> snapshot_reader() override;
  void interrupt() noexcept override;
  int64_t heartbeat_interval_us() const noexcept override { return heartbeat_options_.table.empty() ? 0 : heartbeat_options_.interval_us; }

 private:
  const ConnectOptions& host() const noexcept { return hosts_[host_]; }
  // Tries the hosts in order, beginning with the one last used, until `use` succeeds with one.
  Status with_host(const std::function<Status(Connection)>& use);
  Status open_at(Connection connection, const std::optional<Position>& from);
  // What SchemaTracker asks, on the reader thread's own session.
  class LiveCatalogue final : public Catalogue {
   public:
    explicit LiveCatalogue(MysqlSource& source) : source_(source) {}
    Result<SchemaRef> table(const std::string& database, const std::string& table) override;
    Result<std::vector<SchemaRef>> tables() override;
    Result<std::map<std::string, uint16_t>> databases() override;
    Result<LogPosition> position() override;
    int lower_case_table_names() override;

   private:
    MysqlSource& source_;
  };

  // Runs `ask(Connection&)`, once more with a new session when the old one has gone.
  template <class Ask>
  auto ask(Ask&& question) -> decltype(question(std::declval<Connection&>()));
  Status check_server(Connection& connection) const;
  Status open_without_log(const std::optional<Position>& from);
  Result<BinlogWire*> open_wire();
  Status start_stream(const LogPosition& at);
  Status restart_with_statements();
  Status explain(Status failure);
  Result<ReadState> fail(Status failure, std::unique_ptr<RawBatch>& out);
  Result<ReadState> hand_out(std::unique_ptr<RawBatch>& out);
  bool chosen(std::string_view database, std::string_view table) const;

  const std::vector<ConnectOptions> hosts_;  // never empty
  const HeartbeatOptions heartbeat_options_;
  const SourceContext context_;
  std::atomic<size_t> host_{0};
  std::optional<Connection> control_;  // queries of the reader thread
  LiveCatalogue catalogue_{*this};
  SchemaTracker schemas_;
  BinlogAssembler assembler_;
  Position start_;
  std::string identity_;  // of the server that is read; set by open
  bool is_mariadb_ = false;
  bool has_log_ = true;           // false only when no stream is wanted and the server keeps no log
  bool with_statements_ = false;  // MariaDB sends them, at a price; needed where images are partial
  Status failure_;                // told once what came before it has been handed out
  std::unique_ptr<HeartbeatTable> heartbeat_;

  std::mutex wire_mutex_;  // guards the pointer, not the use by the reader thread
  std::unique_ptr<BinlogWire> wire_;
  bool interrupted_ = false;
};

}  // namespace tailrace
