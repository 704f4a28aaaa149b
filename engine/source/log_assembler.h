// BinlogAssembler: turns a sequence of log events into RawBatches of whole transactions, or slices of one. Frames,
// checks sums, keeps position, GTID state, table maps and schemas. Shared by the server and the file source.
// Reader thread only; the batches it makes are immutable and go anywhere.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "mysql/binlog_event.h"
#include "mysql/compression.h"
#include "mysql/gtid.h"
#include "mysql/rows_decoder.h"
#include "mysql/statement.h"
#include "source/held_transaction.h"
#include "source/schema_tracker.h"
#include "source/source.h"

namespace tailrace {

// Events kept for decoding. The bytes are shared with the EventBatch made from them.
class BinlogRawBatch : public RawBatch {
 public:
  struct Item {
    uint8_t type = 0;           // a rows event; 0 = a schema change
    Op op = Op::kSchemaChange;  // schema change: kSchemaChange or kTruncate
    uint32_t ddl_kinds = 0;     // schema change: see ChangeEvent
    uint32_t txn = 0;
    std::string_view body;  // rows event without header and checksum; or the statement
    const RowPlan* plan = nullptr;
    SchemaRef table, new_schema;  // schema change
    uint64_t offset = 0;          // of the event in its file, for messages
    size_t weight = 0;            // what it counts in the size of a batch
    Lacking lacking = Lacking::kUnchanged;
  };
  std::shared_ptr<Arena> buffer = std::make_shared<Arena>();
  std::shared_ptr<const FormatDescription> format;
  std::string file;
  std::vector<Transaction> txns;
  std::vector<Item> items;
  std::vector<RowPlanRef> plans;  // keeps every Item::plan alive
  uint64_t first_ordinal = 0;     // of the first transaction, when it began in an earlier batch
};

// Any thread.
Status decode_binlog_batch(const BinlogRawBatch& in, EventBatch& out, InvalidText invalid_text = InvalidText::kStop);

class BinlogAssembler {
 public:
  BinlogAssembler(const SourceContext& context, SchemaTracker& schemas, std::string source_kind);

  // Goes on behind `at`. Events are to come from `at.restart_place()`, which is earlier while XA transactions are
  // prepared; what `at` holds already is passed over. A position without GTIDs leaves the set unknown until the log tells it.
  Status start(const LogPosition& at);
  // Rows will come without their statements: an update that cannot be understood without its own fails, and
  // `lacks_statement` is true from then on.
  void expect_statements(bool given) noexcept { statements_given_ = given; }
  bool lacks_statement() const noexcept { return lacks_statement_; }
  // The file and offset of the event taken next, when the caller knows them better (files).
  void locate(const std::string& file, uint64_t offset);
  // Takes one event with its header. The bytes need not outlive the call.
  Status take(std::string_view event);
  // A compressed transaction is being unpacked or a held one handed on: call `step` until this is false, before the
  // next `take`.
  bool stepping() const noexcept { return payload_ != nullptr || replaying_; }
  Status step();

  bool has_output() const noexcept { return !batch_->items.empty() || !batch_->txns.empty() || boundary_moved_; }
  bool has_rows() const noexcept { return !batch_->items.empty() || !batch_->txns.empty(); }
  // There is something that `cut` would give out: nothing is, of a transaction whose end has not been seen.
  bool can_cut() const noexcept { return has_output() && (!open_ || replaying_ || boundary_moved_); }
  // The batch has rows of an earlier file: cut before taking more.
  bool file_changed() const noexcept { return !batch_->items.empty() && batch_->file != file_; }
  bool in_transaction() const noexcept { return open_; }
  bool in_open_rows() const noexcept { return open_ && has_rows_; }
  size_t pending_bytes() const noexcept { return batch_bytes_; }
  // What has been taken so far, as a batch; null when there is nothing to give out. A transaction whose end has not been
  // seen stays, and goes to disk when nothing stands before it.
  Result<std::unique_ptr<BinlogRawBatch>> cut();
  // After a failure: forgets the transaction that cannot be completed, so that `cut` gives what came before it.
  void drop_open();
  // The last transaction boundary.
  LogPosition log_position() const;
  uint64_t offset() const noexcept { return offset_; }
  const std::string& file() const noexcept { return file_; }
  bool knows_format() const noexcept { return format_ != nullptr; }
  const FormatDescription* format() const noexcept { return format_.get(); }

 private:
  struct Mapped {
    std::string bytes;  // of the TABLE_MAP, to see whether it is the same again
    uint64_t generation = 0;
    RowPlanRef plan;           // null: the table is not wanted
    bool provisional = false;  // see SchemaTracker::Resolved
    LogPosition settles;
    std::string set_aside;  // the table's name, when it is quarantined
    uint64_t held_by = 0;   // number of the batch whose `plans` has it
  };
  struct Savepoint {
    std::string name;
    uint64_t events = 0;  // of the open transaction before it
  };
  struct Prepared {
    std::unique_ptr<HeldTransaction> rows;  // null: none of wanted tables
    LogPosition before;                     // where to read from to see it again
  };

  Status dispatch(const EventHeader& header, std::string_view body);
  Status place(Status failure, const EventHeader& header) const;
  Status check_sum(std::string_view event, const EventHeader& header, std::string_view& body) const;
  Status on_heartbeat(const EventHeader& header, std::string_view event);
  Status on_format(std::string_view event, const EventHeader& header);
  Status on_rotate(const EventHeader& header, std::string_view body);
  Status on_gtid(const EventHeader& header, std::string_view body);
  Status on_maria_gtid(const EventHeader& header, std::string_view body);
  Status on_gtid_state(const EventHeader& header, std::string_view body);
  Status on_query(const EventHeader& header, std::string_view body);
  Status on_statement(const EventHeader& header, const QueryEvent& query, const Statement& statement);
  Status check_renames(const QueryEvent& query, const Statement& statement) const;
  Status on_tables(const QueryEvent& query, const Statement& statement);
  Status on_database(const QueryEvent& query);
  Status on_table_map(std::string_view body);
  Status on_rows(const EventHeader& header, std::string_view body);
  // Takes the failure of one table for its quarantine, where that is the policy; else gives it back.
  Status set_aside(Status failure, const Quarantine::Name& name);
  Lacking lacking_in(uint8_t type, std::string_view body, const std::string& table) const;
  Status on_payload(std::string_view body);

  void begin(std::string id, const EventHeader& header, bool explicit_end);
  Status end(const EventHeader& header);
  void finish_end();
  Status abandoned(const EventHeader& header) const;
  bool is_covered() const;
  Status on_xa_prepare(const EventHeader& header, std::string_view body);
  Status on_xa_commit(const EventHeader& header, const std::string& xid);
  Status on_savepoint(const std::string& name, bool back_to_it);
  size_t first_open_item() const;
  uint64_t open_events() const;
  Status forget_after(uint64_t events);
  Status hold();
  Status replay();
  Transaction& transaction();  // of the batch, made when it is first needed
  uint64_t extend_offset(uint32_t low) const;
  void move_boundary(const std::string& file, uint64_t offset);
  bool wanted(std::string_view database, std::string_view table) const;
  LogPosition transaction_place() const;
  LogPosition after_event() const;
  BinlogRawBatch::Item& add_item(std::string_view bytes, uint64_t offset);
  void weigh(BinlogRawBatch::Item& item);
  Result<uint64_t> count_open_rows() const;
  std::unique_ptr<BinlogRawBatch> split_open();

  const TableFilter* filter_;
  SchemaTracker& schemas_;
  const std::string source_kind_;
  const std::string spill_dir_;
  Quarantine* const quarantine_;
  const std::function<void(const std::string&)> tell_;
  std::set<Quarantine::Name> set_aside_;

  std::shared_ptr<const FormatDescription> format_;
  std::string file_;
  uint64_t offset_ = 0;        // end of the event being taken
  uint64_t event_offset_ = 0;  // its start
  bool located_ = false;       // the caller told file and offset
  bool first_rotate_ = true;
  LogPosition boundary_;  // its gtid is made when asked for
  uint64_t batch_number_ = 1;
  bool boundary_moved_ = false;
  bool gtid_known_ = false;
  bool gtid_is_maria_ = false;
  MariaGtidList maria_set_;
  MysqlGtidSet mysql_set_;

  bool open_ = false;          // inside a transaction
  bool explicit_end_ = false;  // it ends with COMMIT, XID …, not with its only statement
  bool in_batch_ = false;      // it has a Transaction in the batch being made
  bool handed_out_ = false;    // … or in an earlier one
  bool replaying_ = false;     // its end has been seen, and it is handed on from `held_`
  std::string statement_;      // of MariaDB's row events, its beginning; "" = not told
  bool statements_given_ = true;
  bool lacks_statement_ = false;
  bool statement_open_ = false;  // between TABLE_MAP and the end of its statement
  bool has_rows_ = false;        // rows or schema changes of wanted tables seen in it
  std::string id_;
  int64_t time_us_ = 0;
  bool precise_time_ = false;
  uint32_t server_id_ = 0;
  MariaGtid maria_gtid_;
  MysqlGtid mysql_gtid_;
  int64_t commit_time_us_ = 0;  // of the newest transaction that has ended since the last batch
  uint64_t ordinal_ = 0;        // rows of the open transaction in earlier batches

  std::unordered_map<uint64_t, Mapped> maps_;
  uint64_t generation_ = 1;                // grows with every schema change
  std::unique_ptr<HeldTransaction> held_;  // the open transaction's first events, when it outgrew a batch
  std::vector<Savepoint> savepoints_;
  std::map<std::string, Prepared> prepared_;  // XA transactions waiting for their end, by xid
  std::optional<LogPosition> covered_;        // resumed at an earlier place: transactions in here are passed over
  std::string payload_bytes_;                 // what payload_ reads
  std::unique_ptr<PayloadReader> payload_;

  std::unique_ptr<BinlogRawBatch> batch_ = std::make_unique<BinlogRawBatch>();
  size_t batch_bytes_ = 0;
};

}  // namespace tailrace
