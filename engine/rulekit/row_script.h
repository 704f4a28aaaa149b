// RowScript: tables made of SQL text, and the change events that its statements are. The language of case files and
// captures; no server. One thread.
//
//   CREATE/ALTER/DROP/RENAME/TRUNCATE TABLE …   as the servers write it
//   INSERT INTO t [(columns)] VALUES (…), (…)   READ INTO t … : rows of a first copy
//   UPDATE t SET c = literal, … [WHERE c = literal AND c IS NULL …]       DELETE FROM t [WHERE …]
//   USE db   BEGIN   COMMIT   SET TIMESTAMP = seconds[.micros]   SET GTID_NEXT = 'id'
//
// In a capture rows are not kept: the WHERE of UPDATE and DELETE is the row before, with all its columns.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "mysql/ddl_apply.h"
#include "mysql/sql_tokens.h"

namespace tailrace {

class RowScript {
 public:
  explicit RowScript(std::string file) : file_(std::move(file)) {}
  void begin_capture() { keeps_rows_ = false; }
  // Appends what the statement does to the batch. A batch may take several statements. Fails with kRuleCase.
  Status run(std::string_view sql, uint32_t line, EventBatch& batch);
  std::vector<SchemaRef> tables() const;

 private:
  struct Table {
    SchemaRef schema;
    std::vector<std::vector<Value>> rows;
    Arena texts{1024};
  };
  using Name = std::pair<std::string, std::string>;

  Status statement(std::string_view sql, EventBatch& batch);
  Status define(std::string_view sql, EventBatch& batch);
  Status insert(SqlTokens& tokens, Op op, EventBatch& batch);
  Status update(SqlTokens& tokens, EventBatch& batch);
  Status remove(SqlTokens& tokens, EventBatch& batch);
  Status set(SqlTokens& tokens);
  Result<Table*> table(SqlTokens& tokens);
  Result<Table*> find(const Name& name);
  Result<size_t> column(SqlTokens& tokens, const TableSchema& schema) const;
  // Rows that the WHERE takes; in a capture the one row it spells.
  Result<std::vector<std::vector<Value>>> where(SqlTokens& tokens, Table& table, std::vector<size_t>& at, Arena& arena);
  Result<Value> left_out(const Column& column, Arena& arena) const;
  Status end_of(const SqlTokens& tokens) const;
  void put(const DdlName& name, SchemaRef schema);

  void begin_transaction();
  void end_transaction(EventBatch& batch);
  ChangeEvent& add_event(EventBatch& batch, Op op, const SchemaRef& schema);
  static Row copy_row(EventBatch& batch, const std::vector<Value>& row);
  void keep_row(Table& table, const std::vector<Value>& row, std::vector<Value>& into);

  std::string file_, database_;
  std::map<Name, Table> tables_;
  bool keeps_rows_ = true;
  uint32_t line_ = 0;
  // The transaction that the next event belongs to.
  std::string gtid_;
  int64_t time_us_ = 1767225600000000;  // 2026-01-01
  bool is_open_ = false, in_batch_ = false, has_events_ = false;
  uint64_t ordinal_ = 0;
};

}  // namespace tailrace
