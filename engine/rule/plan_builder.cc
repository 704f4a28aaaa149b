#include "rule/plan_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/options.h"
#include "rule/node_reader.h"
#include "rule/value_write.h"

namespace tailrace {
namespace {

std::string suggestion(const TableSchema& schema, const std::string& name) {
  std::vector<std::string> names;
  for (const Column& column : schema.columns) names.push_back(column.name);
  std::string near = nearest_name(name, names);
  return near.empty() ? "" : fmt::format(": did you mean `{}`?", near);
}

// Do different values stay different in another type? Texts as numbers do not: 1, 01.
bool keeps_keys_apart(const Column& from, const Column& to) {
  auto is_text = [](const Column& column) {
    return column.kind == Kind::kText || column.kind == Kind::kBytes || column.kind == Kind::kJson;
  };
  return !is_text(from) || is_text(to);
}

class PlanBuilder {
 public:
  PlanBuilder(const TableRule& rule, const SchemaRef& source, const PlanContext& context)
      : rule_(rule),
        source_(*source),
        context_(context),
        output_(std::make_shared<RuleOutput>()),
        target_(std::make_shared<TableSchema>()) {
    output_->source = source;
    plan_.rule = &rule;
  }

  Result<RulePlan> build() {
    plan_.map = rule_.map;
    plan_.row = rule_.row;
    plan_.work_columns = source_.columns;
    TAILRACE_OK(set_where());
    TAILRACE_OK(set_target());
    TAILRACE_OK(check_names());
    TAILRACE_OK(take_source_columns());
    TAILRACE_OK(add_columns());
    TAILRACE_OK(set_sql());
    TAILRACE_OK(check_output_names());
    TAILRACE_OK(bind_computed());
    TAILRACE_OK(set_key());
    TAILRACE_OK(set_deletes());
    bool is_identity = !changes_names() && !changes_rows() && target_->database == source_.database && target_->table == source_.table &&
                       target_->primary_key == source_.primary_key && !output_->key_is_explicit;
    if (!changes_rows()) plan_.steps.clear();
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      bool stays = plan_.steps[i].action == ColumnStep::Action::kCopy && plan_.steps[i].from == i;
      if (!stays) plan_.moving_steps.push_back(static_cast<uint16_t>(i));
    }
    if (is_identity) {
      output_->schema = output_->source;
    } else {
      target_->schema_id = next_schema_id();
      output_->schema = target_;
    }
    if (!is_identity) output_->origins = origin_;
    auto message = MessagePlan::make(rule_.message, *output_, context_.capture);
    if (!message.ok()) return fail(message.status().code(), message.status().detail());
    if (context_.takes_messages) output_->message = std::move(message).value();
    plan_.output = output_;
    return std::move(plan_);
  }

 private:
  Status fail(ErrorCode code, const std::string& detail) const {
    return Status(code, fmt::format("tables[\"{}\"]: {}", rule_.key, detail)).with("table", source_.qualified_name());
  }

  Status set_where() {
    if (!rule_.where) return Status();
    const WhereRule& where = *rule_.where;
    auto made = WhereProgram::compile(*where.tree, where.source, source_.columns, source_.qualified_name(), true);
    if (!made.ok()) return std::move(made).status().with("table", source_.qualified_name());
    plan_.where = std::move(made).value();
    return Status();
  }

  Status set_target() {
    target_->database = source_.database;
    target_->table = source_.table;
    if (rule_.to_database.empty()) return Status();
    for (auto [text, name] : {std::pair{&rule_.to_database, &target_->database}, std::pair{&rule_.to_table, &target_->table}}) {
      auto bound = BoundTemplate::bind(*text, source_, *target_, context_.capture);
      if (!bound.ok()) return fail(bound.status().code(), "to: " + bound.status().detail());
      *name = bound->constant();
      if (name->empty()) return fail(ErrorCode::kRuleLoad, fmt::format("to: \"{}\" gives an empty name", text->text));
    }
    plan_.may_merge = !rule_.is_single(source_.qualified_name()) && !rule_.to_table.names_table();
    return Status();
  }

  // Every name in `columns` that is not a new column must exist.
  Status check_names() const {
    for (const ColumnRule& column : rule_.columns) {
      bool exists = source_.find_column(column.name) >= 0;
      if (column.action == ColumnRule::Action::kSql) continue;
      if (column.action == ColumnRule::Action::kNew) {
        if (exists && column.has_value && !column.sql) {
          return fail(ErrorCode::kRuleLoad,
                      fmt::format("columns.{0}: the column exists, so its value is itself or sql[[…]]; to make another, drop it "
                                  "({0} = false) and add one by a new name",
                                  column.name));
        }
        if (!exists && !column.new_name.empty()) {
          return fail(ErrorCode::kRuleColumn, fmt::format("columns.{}: `name` is for columns that exist, {} has no such column{}",
                                                          column.name, source_.qualified_name(), suggestion(source_, column.name)));
        }
        if (!exists && !column.has_value && rule_.map < 0 && !column.type.nullable) {
          return fail(ErrorCode::kRuleLoad, fmt::format("columns.{}: NOT NULL, but it has no `value` and there is no `map` to fill it{}",
                                                        column.name, suggestion(source_, column.name)));
        }
      } else if (!exists) {
        return fail(ErrorCode::kRuleColumn, fmt::format("columns.{}: {} has no such column{}", column.name, source_.qualified_name(),
                                                        suggestion(source_, column.name)));
      }
    }
    for (const NameRule& names : rule_.names) {
      for (const std::string& name : names.except) {
        if (source_.find_column(name) >= 0) continue;
        return fail(ErrorCode::kRuleColumn, fmt::format("columns: `except` names `{}`, {} has no such column{}", name,
                                                        source_.qualified_name(), suggestion(source_, name)));
      }
    }
    return Status();
  }

  const ColumnRule* rule_of(const std::string& name) const {
    for (const ColumnRule& column : rule_.columns) {
      if (column.name == name) return &column;
    }
    return nullptr;
  }

  Status take_source_columns() {
    for (size_t i = 0; i < source_.columns.size(); ++i) {
      const Column& column = source_.columns[i];
      const ColumnRule* rule = rule_of(column.name);
      ColumnStep step;
      step.from = static_cast<uint16_t>(i);
      Column out = column;
      if (rule && rule->action == ColumnRule::Action::kDrop) continue;
      if (rule && rule->action == ColumnRule::Action::kNative) {
        step.action = ColumnStep::Action::kNative;
        step.native = &rule->native;
        auto result = native_result(rule->native, column);
        if (!result.ok()) return fail(ErrorCode::kRuleLoad, result.status().detail());
        out = std::move(result).value();
      }
      if (rule && rule->action == ColumnRule::Action::kSql) {
        step.action = ColumnStep::Action::kSql;
        sql_columns_.emplace_back(plan_.steps.size(), rule);
      }
      if (rule && rule->action == ColumnRule::Action::kNew) TAILRACE_OK(retype(*rule, column, step, out));
      if (rule && rule->as_number) TAILRACE_OK(read_as_number(column, i));
      TAILRACE_TRY(out.name, target_name(rule, column.name));
      plan_.steps.push_back(step);
      target_->columns.push_back(std::move(out));
      origin_.push_back(static_cast<int>(i));
    }
    return Status();
  }

  Result<std::string> target_name(const ColumnRule* rule, const std::string& name) const {
    if (rule && !rule->new_name.empty()) return rule->new_name;
    std::string out = name;
    for (const NameRule& names : rule_.names) {
      if (std::find(names.except.begin(), names.except.end(), name) != names.except.end()) continue;
      auto made = new_name(names, out, context_.replace);
      if (!made.ok()) return fail(made.status().code(), "columns: " + made.status().detail());
      out = std::move(made).value();
    }
    return out;
  }

  // A column that keeps its values but gets another type; or, with SQL, another value too.
  Status retype(const ColumnRule& rule, const Column& column, ColumnStep& step, Column& out) {
    if (rule.sql) {
      step.action = ColumnStep::Action::kSql;
      sql_columns_.emplace_back(plan_.steps.size(), &rule);
      return Status();
    }
    if (column.kind == Kind::kGeometry || rule.type.kind == Kind::kGeometry) {
      return fail(ErrorCode::kRuleLoad, fmt::format("columns.{}: {} does not become {}", rule.name, column.type_text, rule.type.type_text));
    }
    out = rule.type;
    // What may be NULL stays so, unless the rule says otherwise.
    out.nullable = rule.type.nullable && (rule.null_is_given || column.nullable);
    step.action = ColumnStep::Action::kConvert;
    return Status();
  }

  Status read_as_number(const Column& column, size_t at) {
    bool is_integer = column.kind == Kind::kInt || column.kind == Kind::kUint || column.kind == Kind::kBit || column.kind == Kind::kYear;
    if (!is_integer) {
      return fail(ErrorCode::kRuleLoad,
                  fmt::format("columns.{}: as = \"number\" is for integers, this is {}", column.name, column.type_text));
    }
    plan_.as_number.push_back(static_cast<uint16_t>(at));
    return Status();
  }

  // Once all columns of the working row are known.
  Status set_sql() {
    for (const auto& [at, rule] : sql_columns_) {
      const WhereRule& sql = *rule->sql;
      auto made = WhereProgram::compile(*sql.tree, sql.source, plan_.work_columns, source_.qualified_name(), false);
      if (!made.ok()) return std::move(made).status().with("table", source_.qualified_name());
      SqlColumn out;
      out.program = std::move(made).value();
      out.column = out.program->result();
      out.column.name = rule->name;
      if (rule->action == ColumnRule::Action::kNew) {
        out.column = rule->type;
        out.converts = true;
      }
      out.column.name = target_->columns[at].name;
      target_->columns[at] = out.column;
      plan_.steps[at].sql = static_cast<uint16_t>(plan_.sql.size());
      plan_.sql.push_back(std::move(out));
    }
    return Status();
  }

  Status add_columns() {
    for (const ColumnRule& rule : rule_.columns) {
      bool is_sql = rule.sql != nullptr;
      bool may_be_new = rule.action == ColumnRule::Action::kNew || is_sql;
      if (!may_be_new || source_.find_column(rule.name) >= 0) continue;
      ColumnStep step;
      if (is_sql) {
        step.action = ColumnStep::Action::kSql;
        sql_columns_.emplace_back(plan_.steps.size(), &rule);
      } else if (rule.meta || rule.value.has_columns()) {
        // Made from the finished row, so that a mask has the last word; `map` does not see it.
        step.action = rule.meta ? ColumnStep::Action::kMeta : ColumnStep::Action::kTemplate;
        if (rule.meta) TAILRACE_OK(set_meta(step, *rule.meta, rule.type, "columns." + rule.name));
      } else {
        Value value = Value::null();
        if (rule.has_value) {
          auto text = BoundTemplate::bind(rule.value, source_, *target_, context_.capture);
          if (!text.ok()) return fail(text.status().code(), fmt::format("columns.{}: {}", rule.name, text.status().detail()));
          TAILRACE_TRY(value, constant(rule.type, text->constant(), fmt::format("columns.{}: value", rule.name)));
        }
        if (plan_.map >= 0) {
          step.from = static_cast<uint16_t>(plan_.work_columns.size());
          plan_.work_columns.push_back(rule.type);
          plan_.added.push_back(value);
        } else {
          step.action = ColumnStep::Action::kConstant;
          step.constant = value;
        }
      }
      plan_.steps.push_back(step);
      target_->columns.push_back(rule.type);
      target_->columns.back().name = rule.name;
      origin_.push_back(-1);
    }
    return Status();
  }

  // The field goes into a column of its own kind; text of it must fit.
  Status set_meta(ColumnStep& step, MetaField field, const Column& column, const std::string& where) {
    const Column& made = meta_column(field);
    bool fits = made.kind == column.kind || (made.kind == Kind::kInt && column.kind == Kind::kInt) ||
                (made.kind == Kind::kUint && column.kind == Kind::kUint);
    if (!fits || (column.length && column.kind == Kind::kText && made.length > column.length)) {
      return fail(ErrorCode::kRuleLoad, fmt::format("{}: meta.{} is {}, which {} does not hold", where,
                                                    meta_names()[static_cast<size_t>(field)], made.type_text, column.type_text));
    }
    step.action = ColumnStep::Action::kMeta;
    step.meta = field;
    return Status();
  }

  Status bind_computed() {
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      if (plan_.steps[i].action != ColumnStep::Action::kTemplate) continue;
      const ColumnRule& rule = *rule_of(target_->columns[i].name);
      auto text = BoundTemplate::bind(rule.value, source_, *target_, context_.capture);
      if (!text.ok()) return fail(text.status().code(), fmt::format("columns.{}: {}", rule.name, text.status().detail()));
      for (const TextTemplate::Part& part : rule.value.parts) {
        if (part.kind != TextTemplate::Part::Kind::kColumn) continue;
        auto at = static_cast<size_t>(target_->find_column(part.text));
        if (plan_.steps[at].action == ColumnStep::Action::kTemplate) {
          return fail(ErrorCode::kRuleLoad, fmt::format("columns.{}: {{{}}} is made of columns itself", rule.name, part.text));
        }
        // As in SQL, a text made of NULL is NULL.
        bool may_be_null =
            target_->columns[at].nullable && std::none_of(part.filters.begin(), part.filters.end(),
                                                          [](const TextFilter& filter) { return filter.id == TextFilter::Id::kOr; });
        if (may_be_null && !rule.null_is_given) target_->columns[i].nullable = true;
      }
      plan_.computed.push_back({static_cast<uint16_t>(i), std::move(text).value()});
    }
    return Status();
  }

  Status set_deletes() {
    plan_.deletes = rule_.deletes.action;
    for (const DeleteRule::Set& set : rule_.deletes.set) {
      std::string where = "deletes.set." + set.column;
      int at = target_->find_column(set.column);
      if (at < 0) {
        return fail(ErrorCode::kRuleColumn,
                    fmt::format("{}: the target has no column `{}`{}", where, set.column, suggestion(*target_, set.column)));
      }
      auto index = static_cast<uint16_t>(at);
      if (std::find(target_->primary_key.begin(), target_->primary_key.end(), index) != target_->primary_key.end()) {
        return fail(ErrorCode::kRuleLoad, fmt::format("{}: a column of the key says which row it is", where));
      }
      const Column& column = target_->columns[index];
      ColumnStep step;
      step.action = ColumnStep::Action::kConstant;
      if (set.meta) {
        TAILRACE_OK(set_meta(step, *set.meta, column, where));
      } else if (set.is_null) {
        if (!column.nullable) return fail(ErrorCode::kRuleWrite, fmt::format("{}: NULL does not fit {} NOT NULL", where, column.type_text));
      } else {
        TAILRACE_TRY(step.constant, constant(column, set.text, where));
      }
      plan_.delete_set.emplace_back(index, step);
    }
    if (!plan_.delete_set.empty() && target_->primary_key.empty()) {
      return fail(ErrorCode::kRuleLoad, "deletes.set needs a key: a row without one cannot be found again");
    }
    return Status();
  }

  Result<Value> constant(const Column& column, const std::string& text, const std::string& where) {
    Value value = Value::null();
    Arena arena(256);
    WriteFault fault = write_any_text(value, column, text, arena);
    if (fault != WriteFault::kNone) {
      return fail(ErrorCode::kRuleWrite, fmt::format("{} \"{}\": {}", where, text, describe_fault(fault, column)));
    }
    if (has_text_payload(value.kind)) {
      output_->texts.emplace_back(value.text());
      value.p = output_->texts.back().data();
    }
    return value;
  }

  Status check_output_names() const {
    if (target_->columns.empty()) return fail(ErrorCode::kRuleLoad, "no column is left");
    for (size_t i = 0; i < target_->columns.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        if (target_->columns[i].name == target_->columns[k].name) {
          return fail(ErrorCode::kRuleLoad, fmt::format("two columns of the target are named `{}`", target_->columns[i].name));
        }
      }
    }
    return Status();
  }

  Status set_key() {
    if (!rule_.key_columns.empty()) {
      output_->key_is_explicit = true;
      for (const std::string& name : rule_.key_columns) {
        int at = target_->find_column(name);
        if (at < 0) {
          return fail(ErrorCode::kRuleColumn, fmt::format("key: the target has no column `{}`{}", name, suggestion(*target_, name)));
        }
        target_->primary_key.push_back(static_cast<uint16_t>(at));
      }
    } else {
      for (uint16_t index : source_.primary_key) {
        auto at = std::find(origin_.begin(), origin_.end(), static_cast<int>(index));
        if (at == origin_.end()) {
          return fail(ErrorCode::kRuleLoad,
                      fmt::format("columns.{} drops a column of the key; give the entry a `key`", source_.columns[index].name));
        }
        target_->primary_key.push_back(static_cast<uint16_t>(at - origin_.begin()));
      }
    }
    for (uint16_t index : target_->primary_key) {
      const ColumnStep& step = plan_.steps[index];
      if (step.action == ColumnStep::Action::kMeta) {
        return fail(ErrorCode::kRuleLoad, fmt::format("key: `{}` is another in every change of a row", target_->columns[index].name));
      }
      if (step.action == ColumnStep::Action::kSql && !output_->key_is_explicit) {
        return fail(
            ErrorCode::kRuleKeyCollision,
            fmt::format("columns.{}: an expression can give two rows the same key; give the entry a `key`", target_->columns[index].name));
      }
      if (step.action == ColumnStep::Action::kConvert && !output_->key_is_explicit &&
          !keeps_keys_apart(plan_.work_columns[step.from], target_->columns[index])) {
        return fail(ErrorCode::kRuleKeyCollision,
                    fmt::format("columns.{}: as {}, two keys of {} can become the same; give the entry a `key`",
                                target_->columns[index].name, target_->columns[index].type_text, plan_.work_columns[step.from].type_text));
      }
      if (step.action == ColumnStep::Action::kNative && !step.native->keeps_keys_apart()) {
        return fail(ErrorCode::kRuleKeyCollision,
                    fmt::format("columns.{}: {} can give two rows the same key", source_.columns[step.from].name, step.native->name));
      }
    }
    bool has_meta = std::any_of(plan_.steps.begin(), plan_.steps.end(),
                                [](const ColumnStep& step) { return step.action == ColumnStep::Action::kMeta; });
    if (has_meta && target_->primary_key.empty()) {
      return fail(ErrorCode::kRuleLoad, "columns of meta fields need a key: a row without one is found by all its values");
    }
    return Status();
  }

  // Does the output row differ from the working row in its layout or by a native value?
  bool changes_rows() const {
    if (target_->columns.size() != plan_.work_columns.size()) return true;
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const ColumnStep& step = plan_.steps[i];
      if (step.action != ColumnStep::Action::kCopy || step.from != i) return true;
    }
    return false;
  }
  bool changes_names() const {
    if (target_->columns.size() != source_.columns.size()) return true;
    for (size_t i = 0; i < source_.columns.size(); ++i) {
      if (target_->columns[i].name != source_.columns[i].name) return true;
    }
    return false;
  }

  const TableRule& rule_;
  const TableSchema& source_;
  const PlanContext& context_;
  std::shared_ptr<RuleOutput> output_;
  std::shared_ptr<TableSchema> target_;
  RulePlan plan_;
  std::vector<std::pair<size_t, const ColumnRule*>> sql_columns_;  // by place among the steps
  std::vector<int> origin_;                                        // per output column: the source column it comes from, or -1
};

}  // namespace

Result<RulePlan> build_plan(const TableRule& rule, const SchemaRef& source, const PlanContext& context) {
  return PlanBuilder(rule, source, context).build();
}

}  // namespace tailrace
