#include "rule/rule_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/options.h"
#include "rule/value_write.h"

namespace tailrace {
namespace {

std::string suggestion(const TableSchema& schema, const std::string& name) {
  std::vector<std::string> names;
  for (const Column& column : schema.columns) names.push_back(column.name);
  std::string near = nearest_name(name, names);
  return near.empty() ? "" : fmt::format(": did you mean `{}`?", near);
}

class PlanBuilder {
 public:
  PlanBuilder(const TableRule& rule, const SchemaRef& source)
      : rule_(rule), source_(*source), output_(std::make_shared<RuleOutput>()), target_(std::make_shared<TableSchema>()) {
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
    TAILRACE_OK(check_output_names());
    TAILRACE_OK(set_key());
    bool is_identity = !changes_names() && !changes_rows() && target_->database == source_.database &&
                       target_->table == source_.table && target_->primary_key == source_.primary_key &&
                       !output_->key_is_explicit;
    if (!changes_rows()) plan_.steps.clear();
    if (is_identity) {
      output_->schema = output_->source;
    } else {
      target_->schema_id = next_schema_id();
      output_->schema = target_;
    }
    if (!is_identity) output_->origins = origin_;
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
    if (rule_.to.empty()) return Status();
    size_t dot = rule_.to.find('.');
    target_->database = fill_template(rule_.to.substr(0, dot), source_.database, source_.table);
    target_->table = fill_template(rule_.to.substr(dot + 1), source_.database, source_.table);
    bool is_single = rule_.include.size() == 1 && rule_.include[0] == source_.qualified_name();
    plan_.may_merge = !is_single && rule_.to.find("{table}") == std::string::npos;
    return Status();
  }

  // Every name in `columns` that is not a new column must exist; a new one must not.
  Status check_names() const {
    for (const ColumnRule& column : rule_.columns) {
      bool exists = source_.find_column(column.name) >= 0;
      if (column.action == ColumnRule::Action::kNew) {
        if (exists) return fail(ErrorCode::kRuleLoad, fmt::format("columns.{}: giving an existing column another type is not supported by this version", column.name));
      } else if (!exists) {
        return fail(ErrorCode::kRuleColumn, fmt::format("columns.{}: {} has no such column{}", column.name,
                                                        source_.qualified_name(), suggestion(source_, column.name)));
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
      if (rule && rule->action == ColumnRule::Action::kRename) out.name = rule->new_name;
      if (rule && rule->action == ColumnRule::Action::kNative) {
        step.action = ColumnStep::Action::kNative;
        step.native = &rule->native;
        auto result = native_result(rule->native, column);
        if (!result.ok()) return fail(ErrorCode::kRuleLoad, result.status().detail());
        out = std::move(result).value();
      }
      plan_.steps.push_back(step);
      target_->columns.push_back(std::move(out));
      origin_.push_back(static_cast<int>(i));
    }
    return Status();
  }

  Status add_columns() {
    for (const ColumnRule& rule : rule_.columns) {
      if (rule.action != ColumnRule::Action::kNew) continue;
      Value value = Value::null();
      if (rule.has_value) {
        TAILRACE_TRY(value, constant(rule));
      }
      ColumnStep step;
      if (plan_.map >= 0) {
        step.from = static_cast<uint16_t>(plan_.work_columns.size());
      } else {
        step.action = ColumnStep::Action::kConstant;
        step.constant = value;
      }
      plan_.work_columns.push_back(rule.type);
      plan_.added.push_back(value);
      plan_.steps.push_back(step);
      target_->columns.push_back(rule.type);
      origin_.push_back(-1);
    }
    return Status();
  }

  Result<Value> constant(const ColumnRule& rule) {
    std::string text = fill_template(rule.value, source_.database, source_.table);
    Value value = Value::null();
    WriteFault fault = WriteFault::kNone;
    Arena arena(256);
    if (rule.type.kind == Kind::kDouble) {
      double number = 0;
      char* end = nullptr;
      number = std::strtod(text.c_str(), &end);
      fault = text.empty() || *end ? WriteFault::kForm : write_number(value, rule.type, number, arena);
    } else if (rule.type.kind == Kind::kInt || rule.type.kind == Kind::kUint || rule.type.kind == Kind::kYear ||
               rule.type.kind == Kind::kBit) {
      fault = write_decimal(value, rule.type, text, arena);
    } else {
      fault = write_text(value, rule.type, text, arena);
    }
    if (fault != WriteFault::kNone) {
      return fail(ErrorCode::kRuleWrite, fmt::format("columns.{}: value \"{}\": {}", rule.name, text,
                                                     describe_fault(fault, rule.type)));
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
          return fail(ErrorCode::kRuleLoad, fmt::format("columns.{} drops a column of the key; give the entry a `key`",
                                                        source_.columns[index].name));
        }
        target_->primary_key.push_back(static_cast<uint16_t>(at - origin_.begin()));
      }
    }
    for (uint16_t index : target_->primary_key) {
      const ColumnStep& step = plan_.steps[index];
      if (step.action == ColumnStep::Action::kNative && !step.native->keeps_keys_apart()) {
        return fail(ErrorCode::kRuleKeyCollision,
                    fmt::format("columns.{}: {} can give two rows the same key", source_.columns[step.from].name,
                                step.native->name));
      }
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
  std::shared_ptr<RuleOutput> output_;
  std::shared_ptr<TableSchema> target_;
  RulePlan plan_;
  std::vector<int> origin_;  // per output column: the source column it comes from, or -1
};

}  // namespace

Result<RulePlan> make_rule_plan(const RuleSpec& spec, const SchemaRef& source) {
  TAILRACE_TRY(const TableRule* rule, match_table(spec, source->database, source->table));
  RulePlan plan;
  plan.rule = rule;
  if (!rule && spec.fallback == RuleSpec::Default::kStop) {
    return Status(ErrorCode::kRuleLoad, fmt::format("no pattern of `tables` matches {}, and default is \"stop\"",
                                                    source->qualified_name()))
        .with("table", source->qualified_name());
  }
  if (rule ? rule->action == TableRule::Action::kDrop : spec.fallback == RuleSpec::Default::kDrop) return plan;
  if (!rule || rule->action == TableRule::Action::kKeep) {
    auto output = std::make_shared<RuleOutput>();
    output->source = source;
    output->schema = source;
    plan.output = output;
    return plan;
  }
  return PlanBuilder(*rule, source).build();
}

}  // namespace tailrace
