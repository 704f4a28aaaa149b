#include "python/py_rule_set.h"

#include <fmt/format.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "python/py_rule_host.h"
#include "python/py_status.h"
#include "rule/digest.h"
#include "rule/rule_chain.h"

namespace tailrace::python {
namespace py = pybind11;
namespace {

constexpr char kModule[] = "tailrace.rules.python";

// The checked table as tailrace.rules.python gives it: (kind, …).
RuleNode node_of(const py::tuple& given) {
  RuleNode out;
  auto kind = given[0].cast<std::string>();
  auto fields = [&](size_t at) {
    for (py::handle pair : given[at].cast<py::list>()) {
      auto item = py::reinterpret_borrow<py::tuple>(pair);
      out.fields.push_back({item[0].cast<std::string>(), node_of(item[1].cast<py::tuple>())});
    }
    std::sort(out.fields.begin(), out.fields.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  };
  if (kind == "bool") {
    out.type = RuleNode::Type::kBool;
    out.boolean = given[1].cast<bool>();
  } else if (kind == "number") {
    out.type = RuleNode::Type::kNumber;
    out.number = given[1].cast<double>();
  } else if (kind == "text") {
    out.type = RuleNode::Type::kText;
    out.text = given[1].cast<std::string>();
  } else if (kind == "function") {
    out.type = RuleNode::Type::kFunction;
    out.function = given[1].cast<int>();
  } else if (kind == "table") {
    out.type = RuleNode::Type::kTable;
    fields(1);
  } else if (kind == "native" || kind == "handle") {
    out.type = kind == "native" ? RuleNode::Type::kNative : RuleNode::Type::kHandle;
    out.text = given[1].cast<std::string>();
    fields(2);
  } else {
    out.type = kind == "secret" ? RuleNode::Type::kSecret : RuleNode::Type::kNull;
  }
  return out;
}

std::string hash_of(const PyRuleSet& rules) {
  std::string all = fmt::format("api=1 python\n{}\n{}\n", rules.text.size(), rules.text);
  return sha256_hex(all + option_lines(rules.spec));
}

std::string version_of(const PyRuleSet& rules) {
  std::string stem = rules.file.substr(rules.file.rfind('/') + 1);
  if (stem.ends_with(".py")) stem.resize(stem.size() - 3);
  if (stem.starts_with("python:")) stem.erase(0, 7);
  return stem + "@" + rules.hash.substr(0, 6);
}

py::dict option_values(const RuleSpec& spec) {
  py::dict out;
  for (const auto& [name, value] : spec.options) {
    std::visit([&](const auto& held) { out[py::str(name)] = held; }, value);
  }
  return out;
}

Result<std::shared_ptr<PyRuleSet>> load(const RuleOptions& options) {
  auto rules = std::make_shared<PyRuleSet>();
  rules->options = options;
  rules->file = rule_file(options);
  auto fail = [&](const std::string& why) { return Status(ErrorCode::kRuleLoad, why).with("rule", rules->file); };
  if (!options.trusted) return fail("rules in Python are not confined: rules.trusted = false takes Lua files only");
  py::gil_scoped_acquire gil;
  try {
    py::object stored = py::none();
    if (options.stored && options.stored->files.count("")) stored = py::str(options.stored->files.at("").text);
    py::object loaded = py::module_::import(kModule).attr("load")(rules->file, stored);
    rules->text = loaded.attr("text").cast<std::string>();
    for (py::handle function : loaded.attr("functions")) rules->functions.emplace_back(py::reinterpret_borrow<py::object>(function));
    RuleNode root = node_of(loaded.attr("node").cast<py::tuple>());
    auto spec = parse_rule_spec(root, options_for(options, root), {rules->file, rules->text}, options.in_clear);
    if (!spec.ok()) return std::move(spec).status().with("rule", rules->file);
    rules->spec = std::move(spec).value();
    rules->values = std::make_unique<KeptObject>(option_values(rules->spec));
  } catch (py::error_already_set& error) {
    HookFailure failure = failure_of(error, rules->file);
    return Status(failure.hook == "batch" ? failure.code : ErrorCode::kRuleLoad, failure.message).with("rule", rules->file);
  }
  rules->hash = hash_of(*rules);
  rules->version = version_of(*rules);
  return rules;
}

Result<std::unique_ptr<RuleStage>> make_stage(std::shared_ptr<const PyRuleSet> rules, const RuleStageConfig& config) {
  Status formats = check_formats(rules->spec, config.formats);
  if (!formats.ok()) return std::move(formats).with("rule", rules->file);
  auto host = std::make_unique<PyRuleHost>(rules);
  return make_planned_stage(std::move(rules), std::move(host), config);
}

}  // namespace

RuleSource PyRuleSet::source() const {
  RuleSource out;
  out.hash = hash;
  out.version = version;
  out.file = file;
  out.files[""] = {text, "@" + file};
  return out;
}

namespace {

// Of single files, in Lua and in Python.
RuleKit python_rules() {
  RuleKit kit = lua_rules();
  return {[lua = kit.load](const RuleOptions& options) -> Result<std::shared_ptr<RuleSet>> {
            if (!is_python_rules(rule_file(options))) return lua(options);
            TAILRACE_TRY(auto rules, load(options));
            return std::shared_ptr<RuleSet>(std::move(rules));
          },
          [lua = kit.make_stage](std::shared_ptr<const RuleSet> rules, const RuleStageConfig& config) {
            auto own = std::dynamic_pointer_cast<const PyRuleSet>(rules);
            return own ? make_stage(std::move(own), config) : lua(std::move(rules), config);
          }};
}

}  // namespace

JobFactories python_factories() { return make_factories(python_rules()); }
RuleKit python_rule_kit() { return with_chains(python_rules()); }

}  // namespace tailrace::python
