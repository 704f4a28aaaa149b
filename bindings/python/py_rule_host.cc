#include "python/py_rule_host.h"

#include <fmt/format.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "base/options.h"
#include "python/py_images.h"
#include "python/py_status.h"
#include "rule/sql_type.h"

namespace tailrace::python {
namespace py = pybind11;
namespace {

py::object python_module() { return py::module_::import("tailrace.rules.python"); }

// Ends the life of the images for Python when a call is over.
class OpenImages {
 public:
  OpenImages(const std::string& table, const std::vector<Column>& columns, std::vector<PyImages::Image> images)
      : images_(std::make_shared<PyImages>(table, columns, std::move(images))), object_(py::cast(images_)) {}
  ~OpenImages() { images_->close(); }
  const py::object& object() const { return object_; }

 private:
  std::shared_ptr<PyImages> images_;
  py::object object_;
};

}  // namespace

HookFailure failure_of(py::error_already_set& error, const std::string& file) {
  HookFailure failure;
  failure.hook = "map";
  if (!error.matches(PyExc_Exception)) {
    // Ctrl-C while the main thread runs a rule: raised again as soon as the call of the engine is over.
    if (error.matches(PyExc_KeyboardInterrupt)) PyErr_SetInterrupt();
    failure.code = ErrorCode::kJobAborted;
    failure.message = "a rule was interrupted";
    failure.hook = "batch";
    return failure;
  }
  if (error.trace()) PyException_SetTraceback(error.value().ptr(), error.trace().ptr());
  try {
    auto told = python_module().attr("failure")(error.value(), file).cast<std::pair<std::string, std::string>>();
    const ErrorInfo* info = find_error(told.first);
    failure.code = info ? info->code : ErrorCode::kRuleRuntime;
    failure.message = told.second;
  } catch (const std::exception& second) {
    failure.message = fmt::format("{} ({})", error.what(), second.what());
  }
  return failure;
}

Status PyRuleHost::prepare(const RulePlan& plan) {
  if (plans_.size() <= plan.id) plans_.resize(plan.id + 1);
  plans_[plan.id] = &plan;
  return Status();
}

std::optional<HookFailure> PyRuleHost::run(const HookBatch& batch) {
  for (auto& [plan, images] : groups_) images.clear();
  for (uint32_t r = 0; r < batch.run_count; ++r) {
    const HookRun& run = batch.runs[r];
    Images& images = groups_[run.plan];
    uint32_t image = run.first_image;
    for (uint32_t i = run.first_event; i < run.first_event + run.events; ++i) {
      const HookEvent& event = batch.events[i];
      for (auto [cell, is_after] : {std::pair{event.before, false}, std::pair{event.after, true}}) {
        if (cell < 0) continue;
        bool is_pending = batch.verdicts[image] == static_cast<uint8_t>(ImageVerdict::kPending);
        if (is_pending) images.push_back({batch.cells + cell, image, i, is_after});
        ++image;
      }
    }
  }
  arena_limit_ = batch.batch->arena.bytes() * 4 + rules_->options.memory_bytes;
  py::gil_scoped_acquire gil;
  for (auto& [plan, images] : groups_) {
    if (images.empty()) continue;
    if (auto failure = run_images(*plans_[plan], batch, images.data(), images.size())) return failure;
  }
  return std::nullopt;
}

std::optional<HookFailure> PyRuleHost::run_images(const RulePlan& plan, const HookBatch& batch, const Image* first, size_t count) {
  auto failure = call(plan, batch, first, count);
  if (!failure || count == 1 || failure->hook == "batch") return failure;
  size_t half = count / 2;
  if (auto found = run_images(plan, batch, first, half)) return found;
  return run_images(plan, batch, first + half, count - half);
}

std::optional<HookFailure> PyRuleHost::call(const RulePlan& plan, const HookBatch& batch, const Image* first, size_t count) {
  std::vector<PyImages::Image> shown;
  shown.reserve(count);
  for (size_t i = 0; i < count; ++i) shown.push_back({first[i].cells, first[i].is_after});
  auto fail_at_first = [&](HookFailure failure) {
    failure.event = first->event;
    failure.is_after = first->is_after;
    return failure;
  };
  try {
    OpenImages images(plan.output->source->qualified_name(), plan.work_columns, std::move(shown));
    auto answer = python_module()
                      .attr("call")(*rules_->functions[static_cast<size_t>(plan.map)], images.object(), **rules_->values)
                      .cast<py::tuple>();
    if (auto failure = stage_values(plan, batch, first, count, answer[1].cast<py::list>())) return failure;
    bool keeps_all = answer[0].is_none();
    for (size_t i = 0; i < count; ++i) {
      batch.verdicts[first[i].image] = static_cast<uint8_t>(keeps_all ? ImageVerdict::kKeep : ImageVerdict::kDrop);
    }
    if (keeps_all) return std::nullopt;
    for (py::handle kept : answer[0]) batch.verdicts[first[kept.cast<size_t>()].image] = static_cast<uint8_t>(ImageVerdict::kKeep);
    return std::nullopt;
  } catch (py::error_already_set& error) {
    return fail_at_first(failure_of(error, rules_->file));
  }
}

std::optional<HookFailure> PyRuleHost::stage_values(const RulePlan& plan, const HookBatch& batch, const Image* first, size_t count,
                                                    const py::list& sets) {
  if (sets.empty()) return std::nullopt;
  size_t width = plan.work_columns.size();
  staged_.clear();
  for (size_t i = 0; i < count; ++i) staged_.insert(staged_.end(), first[i].cells, first[i].cells + width);
  for (py::handle given : sets) {
    auto set = py::reinterpret_borrow<py::tuple>(given);  // name, rows, values, place in the rule
    auto name = set[0].cast<std::string>();
    auto place = set[3].cast<std::string>();
    HookFailure failure;
    failure.hook = "map";
    failure.event = first->event;
    failure.is_after = first->is_after;
    std::vector<std::string> names;
    size_t at = 0;
    for (; at < width && plan.work_columns[at].name != name; ++at) names.push_back(plan.work_columns[at].name);
    if (at == width) {
      std::string near = nearest_name(name, names);
      auto why = not_described_.find(plan.rule->key);
      failure.code = ErrorCode::kRuleColumn;
      failure.message = fmt::format("{}: {} has no column `{}`{}", place, plan.output->source->qualified_name(), name,
                                    near.empty() ? fmt::format(": declare it in the decorator, columns={{\"{}\": (\"sql type\",)}}", name)
                                                 : fmt::format(": did you mean `{}`?", near));
      if (why != not_described_.end())
        failure.message += fmt::format(" (a call without rows, which finds new columns, failed: {})", why->second);
      return failure;
    }
    const Column& column = plan.work_columns[at];
    auto rows = set[1].cast<py::list>();
    auto values = set[2].cast<py::list>();
    for (size_t i = 0; i < rows.size(); ++i) {
      auto row = rows[i].cast<size_t>();
      WriteFault fault = write_object(staged_[row * width + at], column, values[i], batch.batch->arena);
      if (fault == WriteFault::kNone) continue;
      failure.event = first[row].event;
      failure.is_after = first[row].is_after;
      failure.code = ErrorCode::kRuleWrite;
      std::string why = fault == WriteFault::kNull ? "None cannot be written, the column is NOT NULL" : describe_fault(fault, column);
      if (fault == WriteFault::kType)
        why = fmt::format("a {} cannot be written to {}", Py_TYPE(values[i].ptr())->tp_name, column.type_text);
      failure.message = fmt::format("{}: column `{}`: {}", place, name, why);
      return failure;
    }
    if (batch.batch->arena.bytes() > arena_limit_) {
      failure.hook = "batch";
      failure.code = ErrorCode::kRuleMemory;
      failure.message = fmt::format("{}: what is written into the rows of one batch takes more than rules.memory beyond them", place);
      return failure;
    }
  }
  for (size_t i = 0; i < count; ++i) std::copy_n(staged_.data() + i * width, width, first[i].cells);
  return std::nullopt;
}

Result<std::vector<ColumnRule>> PyRuleHost::new_columns(const TableRule& rule, const TableSchema& source) {
  std::vector<ColumnRule> out;
  std::vector<Column> columns = source.columns;
  for (const ColumnRule& column : rule.columns) {
    if (column.action == ColumnRule::Action::kNew && source.find_column(column.name) < 0) columns.push_back(column.type);
  }
  py::gil_scoped_acquire gil;
  try {
    OpenImages images(source.qualified_name(), columns, {});
    auto answer = python_module()
                      .attr("describe")(*rules_->functions[static_cast<size_t>(rule.map)], images.object(), **rules_->values)
                      .cast<std::pair<std::vector<std::pair<std::string, std::string>>, std::string>>();
    if (!answer.second.empty()) not_described_[rule.key] = answer.second;
    for (const auto& [name, type] : answer.first) {
      auto fail = [&](const std::string& why) {
        return Status(ErrorCode::kRuleLoad, fmt::format("tables[\"{}\"]: set(\"{}\", type=\"{}\"): {}", rule.key, name, type, why))
            .with("table", source.qualified_name());
      };
      if (source.find_column(name) >= 0) return fail("the column exists and keeps its type; leave `type` out");
      bool is_declared = std::any_of(rule.columns.begin(), rule.columns.end(), [&](const ColumnRule& known) { return known.name == name; });
      if (is_declared) continue;
      auto column = parse_sql_type(type);
      if (!column.ok()) return fail(column.status().detail());
      ColumnRule& added = out.emplace_back();
      added.action = ColumnRule::Action::kNew;
      added.name = name;
      added.type = std::move(column).value();
      added.type.name = name;
    }
  } catch (py::error_already_set& error) {
    HookFailure failure = failure_of(error, rules_->file);
    return Status(failure.code, failure.message).with("rule", rules_->file);
  }
  return out;
}

Result<std::string> PyRuleHost::capture(const std::string& text, const std::string& pattern) {
  py::gil_scoped_acquire gil;
  try {
    py::object found = python_module().attr("capture")(text, pattern);
    if (!found.is_none()) return found.cast<std::string>();
    return Status(ErrorCode::kRuleLoad, fmt::format("the regular expression `{}` does not match {}", pattern, text));
  } catch (py::error_already_set& error) {
    return Status(ErrorCode::kRuleLoad,
                  fmt::format("`{}` is no regular expression of Python: {}", pattern, failure_of(error, rules_->file).message));
  }
}

}  // namespace tailrace::python
