#include "rulekit/rule_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "event/ddl_kind.h"
#include "rule/rule_chain.h"
#include "rule/rule_memory.h"
#include "rule/rule_plan.h"
#include "rulekit/batch_copy.h"
#include "rulekit/edge_values.h"
#include "rulekit/event_text.h"
#include "rulekit/sql_literal.h"

namespace tailrace {
namespace {

constexpr size_t kMaxReadLog = 64;  // columns whose reading is looked for

std::string code_of(const Status& status) { return std::string(error_info(status.code()).text); }

// A row of plain values; one column may have another literal.
Status fill_row(const TableSchema& schema, size_t other, const std::string& literal, Arena& arena, Row row) {
  for (size_t i = 0; i < row.size(); ++i) {
    std::string text = i == other ? literal : plain_value(schema.columns[i]);
    SqlTokens tokens(text, false);
    TAILRACE_OK(read_literal(tokens, schema.columns[i], arena, row[i]));
  }
  return {};
}

class TableCheck {
 public:
  // `past_where`: the rules without their `where`; null when none has one.
  TableCheck(RuleStage& stage, RuleStage* past_where, const SchemaRef& schema, CheckReport& report)
      : stage_(stage), past_where_(past_where), schema_(schema), report_(report) {}

  void run(const TableRule* rule, bool rows_name_targets, bool has_ddl_hook) {
    CheckedTable& table = report_.tables.emplace_back();
    table.source = schema_->qualified_name();
    if (rule) table.pattern = rule->key;
    pattern_ = table.pattern;
    auto output = stage_.output(schema_);
    if (!output.ok()) {
      find(true, code_of(output.status()), output.status().detail(), "");
      return;
    }
    if (!*output) return;
    table.target = (*output)->schema->qualified_name();
    table.create = create_table_text(*(*output)->schema, Charsets::kLeftOut);
    table.has_map = rule && rule->map >= 0;
    table.has_row = rule && rule->row >= 0;
    table.names_target = table.has_row && rows_name_targets;
    if (rule) table.purity = purity_of(*rule);
    run_edges(table);
    if (has_ddl_hook) ask_ddl();
    if (!table.has_map && !table.has_row) return;
    if (plain_works_) find_reads(table);
    for (const ColumnRule& column : rule->columns) {
      bool is_read = std::find(table.reads.begin(), table.reads.end(), column.name) != table.reads.end();
      if (column.action == ColumnRule::Action::kNative && is_read) {
        find(false, "read-masked", fmt::format("{} reads `{}` in clear, which `columns` masks", table.has_map ? "map" : "row", column.name),
             column.name);
      }
      if (column.action == ColumnRule::Action::kNew && !column.has_value && !column.meta && table.has_map && !filled_.count(column.name) &&
          plain_works_ && gave_rows_) {
        find(false, "never-filled", fmt::format("`{}` is a new column that map never filled", column.name), column.name);
      }
    }
  }

 private:
  void find(bool is_error, std::string code, std::string text, std::string name) {
    std::string seen = code + text;
    if (!said_.insert(seen).second) return;
    report_.findings.push_back({is_error, std::move(code), std::move(text), schema_->qualified_name(), pattern_, std::move(name)});
  }

  // Runs one event of each kind over the row; the first failure.
  Status run_row(size_t other, const std::string& literal) {
    auto source = std::make_shared<EventBatch>();
    source->keep(schema_);
    Transaction& txn = source->txns.emplace_back();
    txn.id = "check";
    txn.commit_time_us = 1767225600000000;
    txn.begins_here = txn.ends_here = true;
    uint64_t ordinal = 0;
    for (Op op : {Op::kRead, Op::kInsert, Op::kUpdate, Op::kDelete}) {
      Row before = source->new_row(schema_->columns.size());
      Row after = source->new_row(schema_->columns.size());
      TAILRACE_OK(fill_row(*schema_, op == Op::kDelete ? other : SIZE_MAX, literal, source->arena, before));
      TAILRACE_OK(fill_row(*schema_, other, literal, source->arena, after));
      ChangeEvent& event = source->events.emplace_back();
      event.op = op;
      event.ordinal = ordinal++;
      event.table = schema_.get();
      if (op == Op::kUpdate || op == Op::kDelete) event.before = before;
      if (op != Op::kDelete) event.after = after;
    }
    EventBatch batch = copy_batch(source);
    report_.tables.back().rows += batch.events.size();
    TAILRACE_OK(is_past_where_ ? past_where_->run(batch) : stage_.run(batch));
    gave_rows_ |= !batch.events.empty();
    for (const ChangeEvent& event : batch.events) {
      for (size_t i = 0; i < event.after.size(); ++i) {
        if (!event.after[i].is_null()) filled_.insert(event.table->columns[i].name);
      }
    }
    return {};
  }

  void run_edges(const CheckedTable& table) {
    if (!table.has_map && !table.has_row) return;
    Status plain = run_row(SIZE_MAX, "");
    if (plain.ok() && !gave_rows_ && past_where_) {
      // Likely `where` wants values that no plain row has: what the functions do behind it is looked at all the same.
      is_past_where_ = true;
      plain = run_row(SIZE_MAX, "");
    }
    if (!plain.ok()) {
      plain_works_ = false;
      // The functions may rely on what `where` lets through.
      if (is_past_where_)
        find(false, "edge-value", fmt::format("{}  [{} with a row that `where` drops]", plain.detail(), code_of(plain)), "");
      else find(true, code_of(plain), plain.detail(), "");
      return;
    }
    for (size_t i = 0; i < schema_->columns.size(); ++i) {
      const Column& column = schema_->columns[i];
      std::vector<std::string> literals = edge_values(column);
      if (column.nullable) literals.insert(literals.begin(), "NULL");
      for (const std::string& literal : literals) {
        Status done = run_row(i, literal);
        if (done.ok()) continue;
        std::string shown = literal.size() > 40 ? fmt::format("{}… ({} characters)", literal.substr(0, 20), literal.size() - 2) : literal;
        find(false, "edge-value", fmt::format("{}  [{} with {}={}]", done.detail(), code_of(done), column.name, shown), column.name);
      }
    }
  }

  // The `ddl` function over statements of usual kinds. What it says is not judged, only whether it can say it.
  void ask_ddl() {
    struct Sample {
      const char* action;
      DdlKind kind;
    };
    constexpr Sample kSamples[] = {{"ADD COLUMN added int", DdlKind::kAddColumn},
                                   {"DROP COLUMN dropped", DdlKind::kDropColumn},
                                   {"MODIFY COLUMN changed int", DdlKind::kModifyColumn},
                                   {"RENAME COLUMN a TO b", DdlKind::kRenameColumn},
                                   {"ADD INDEX (added)", DdlKind::kAddIndex},
                                   {"DROP INDEX dropped", DdlKind::kDropIndex},
                                   {"RENAME TO renamed", DdlKind::kRenameTable},
                                   {"DROP TABLE", DdlKind::kDropTable},
                                   {"TRUNCATE TABLE", DdlKind::kTruncate}};
    for (const Sample& sample : kSamples) {
      bool is_gone = sample.kind == DdlKind::kDropTable, is_truncate = sample.kind == DdlKind::kTruncate;
      std::string sql = is_gone || is_truncate ? fmt::format("{} {}", sample.action, schema_->qualified_name())
                                               : fmt::format("ALTER TABLE {} {}", schema_->qualified_name(), sample.action);
      Status done = run_statement(sql, sample.kind);
      bool is_fault = !done.ok() && done.code() != ErrorCode::kSchemaHeld && done.code() != ErrorCode::kSchemaChange;
      if (!is_fault) continue;
      std::string code = code_of(done), text = fmt::format("{}  [ddl, asked about {}]", done.detail(), sample.action);
      bool is_known = std::any_of(report_.findings.begin(), report_.findings.end(),
                                  [&](const CheckFinding& found) { return found.code == code && found.text == text; });
      if (!is_known) report_.findings.push_back({true, std::move(code), std::move(text), "", "", ""});
      return;
    }
  }

  Status run_statement(const std::string& sql, DdlKind kind) {
    EventBatch batch;
    batch.keep(schema_);
    Transaction& txn = batch.txns.emplace_back();
    txn.id = "check";
    txn.commit_time_us = 1767225600000000;
    txn.begins_here = txn.ends_here = true;
    ChangeEvent& event = batch.events.emplace_back();
    event.op = kind == DdlKind::kTruncate ? Op::kTruncate : Op::kSchemaChange;
    event.table = schema_.get();
    event.sql = {batch.arena.copy(sql), sql.size()};
    event.ddl_kinds = ddl_bit(kind);
    // The table as it was: whether the rules fit another layout is not the question.
    if (event.op == Op::kSchemaChange && kind != DdlKind::kDropTable) event.new_schema = &schema_;
    return stage_.run(batch);
  }

  // A column that is not in the image cannot be read: what fails then was a read.
  void find_reads(CheckedTable& table) {
    for (size_t i = 0; i < std::min(schema_->columns.size(), kMaxReadLog); ++i) {
      Status done = run_row(i, "ABSENT");
      if (done.ok() || done.code() != ErrorCode::kRuleColumn) continue;
      const std::string& name = schema_->columns[i].name;
      if (done.detail().find("`" + name + "`") != std::string::npos) table.reads.push_back(name);
    }
  }

  std::string purity_of(const TableRule& rule) const {
    bool remembers = stage_.memory() && !stage_.memory()->spec().states.empty();
    if (rule.row >= 0 && remembers) return "ordered";
    bool has_meta =
        std::any_of(rule.columns.begin(), rule.columns.end(), [](const ColumnRule& column) { return column.meta.has_value(); }) ||
        std::any_of(rule.deletes.set.begin(), rule.deletes.set.end(), [](const DeleteRule::Set& set) { return set.meta.has_value(); });
    return rule.row >= 0 || has_meta ? "decides" : "pure";
  }

  RuleStage& stage_;
  RuleStage* const past_where_;
  SchemaRef schema_;
  CheckReport& report_;
  std::string pattern_;
  std::set<std::string> said_, filled_;
  bool plain_works_ = true, gave_rows_ = false, is_past_where_ = false;
};

TableSchema schema_of(const OutputRule& output) {
  TableSchema schema;
  schema.database = output.database;
  schema.table = output.table;
  schema.columns = output.columns;
  schema.primary_key = output.key;
  return schema;
}

// The tables that the next file gets; one of each name, though several may be merged into it.
std::vector<SchemaRef> targets_of(RuleStage& stage, const RuleSpec& spec, const std::vector<SchemaRef>& tables) {
  std::vector<SchemaRef> out;
  std::set<std::string> names;
  for (const SchemaRef& table : tables) {
    auto output = stage.output(table);
    if (output.ok() && *output && names.insert((*output)->schema->qualified_name()).second) out.push_back((*output)->schema);
  }
  for (const OutputRule& output : spec.outputs) {
    auto schema = std::make_shared<TableSchema>(schema_of(output));
    schema->schema_id = next_schema_id();
    if (names.insert(schema->qualified_name()).second) out.push_back(std::move(schema));
  }
  return out;
}

// The stage of the same file without `where`; null when no entry has one. The `where` of an entry that a function makes stays.
Result<std::unique_ptr<RuleStage>> stage_past_where(const RuleKit& kit, const RuleSet& rules, const RuleStageConfig& config) {
  bool has_where =
      std::any_of(rules.spec.tables.begin(), rules.spec.tables.end(), [](const TableRule& rule) { return rule.where != nullptr; });
  if (!has_where) return std::unique_ptr<RuleStage>();
  TAILRACE_TRY(std::shared_ptr<RuleSet> open, kit.load(config.rules));
  for (TableRule& rule : open->spec.tables) rule.where.reset();
  return kit.make_stage(std::move(open), config);
}

void check_file(RuleStage& stage, RuleStage* past_where, const RuleSpec& spec, const std::vector<SchemaRef>& tables, CheckReport& report) {
  for (const SchemaRef& schema : tables) {
    auto rule = match_table(spec, schema->database, schema->table);
    if (!rule.ok()) {
      report.findings.push_back({true, code_of(rule.status()), rule.status().detail(), schema->qualified_name(), "", ""});
      continue;
    }
    TableCheck(stage, past_where, schema, report).run(*rule, spec.rows_name_targets, spec.ddl.hook >= 0);
  }
  for (const OutputRule& output : spec.outputs) {
    CheckedTable& table = report.tables.emplace_back();
    table.source = "(outputs)";
    table.pattern = table.target = output.name;
    table.create = create_table_text(schema_of(output), Charsets::kLeftOut);
  }
  for (RuleNote& note : stage.notes()) report.findings.push_back({false, std::move(note.code), std::move(note.text), "", "", ""});
  if (tables.empty()) return;
  for (const std::string& pattern : stage.unmatched(tables)) {
    report.findings.push_back({false, "unmatched", fmt::format("no table matches `{}`", pattern), "", pattern, ""});
  }
}

}  // namespace

Result<CheckReport> check_rules(const RuleKit& kit, const RuleOptions& options, const std::vector<SchemaRef>& tables,
                                const std::vector<std::string>& formats) {
  CheckReport report;
  RuleOptions bounded = options;  // functions that never end are found, not waited for
  bounded.bounded = true;
  bounded.wall_ms = std::min<int64_t>(bounded.wall_ms, 10'000);
  TAILRACE_TRY(std::shared_ptr<RuleSet> rules, kit.load(bounded));
  report.version = rules->version;
  for (const auto& [name, value] : rules->spec.options) report.options.push_back(name);
  for (const auto& [name, value] : rules->spec.secrets) report.options.push_back(name);
  std::vector<std::shared_ptr<const RuleSet>> files = chain_links(rules);
  std::vector<SchemaRef> given = tables;
  for (size_t i = 0; i < files.size(); ++i) {
    bool is_last = i + 1 == files.size();
    RuleStageConfig config{bounded, !is_last};
    config.formats = formats;
    TAILRACE_TRY(auto stage, kit.make_stage(files[i], config));
    config.rules.file = files[i]->file;
    config.rules.is_link = files.size() > 1;
    TAILRACE_TRY(auto past_where, stage_past_where(kit, *files[i], config));
    size_t findings = report.findings.size(), checked = report.tables.size();
    check_file(*stage, past_where.get(), files[i]->spec, given, report);
    for (; findings < report.findings.size(); ++findings) report.findings[findings].file = i;
    for (; checked < report.tables.size(); ++checked) {
      report.tables[checked].file = i;
      report.tables[checked].is_last = is_last;
    }
    if (!is_last) given = targets_of(*stage, files[i]->spec, given);
  }
  if (files.size() == 1) return report;
  // What shows only where all of it comes together.
  TAILRACE_TRY(auto chain, kit.make_stage(rules, RuleStageConfig{options, false}));
  for (const SchemaRef& table : tables) {
    auto output = chain->output(table);
    if (output.ok()) continue;
    bool is_known = std::any_of(report.findings.begin(), report.findings.end(),
                                [&](const CheckFinding& found) { return found.is_error && found.text == output.status().detail(); });
    if (is_known) continue;
    report.findings.push_back(
        {true, code_of(output.status()), output.status().detail(), table->qualified_name(), "", "", files.size() - 1});
  }
  return report;
}

}  // namespace tailrace
