// tailrace._core: the engine for Python. Thin: names, defaults and niceties live in python/tailrace.
#include "python/module.h"

#include <pybind11/stl.h>

#include "app/wire.h"
#include "python/log_queue.h"
#include "python/py_images.h"
#include "python/py_status.h"

namespace tailrace::python {
namespace py = pybind11;
namespace {

constexpr char kStreamName[] = "arrow_array_stream";

std::string level_name(Level level) {
  switch (level) {
    case Level::kWarn: return "warn";
    case Level::kError: return "error";
    case Level::kFatal: break;
  }
  return "fatal";
}

std::string retry_name(Retry retry) {
  switch (retry) {
    case Retry::kNever: return "never";
    case Retry::kTransient: return "transient";
    case Retry::kOperator: break;
  }
  return "operator";
}

py::dict dict_of(const ErrorInfo& info) {
  py::dict out;
  out["code"] = std::string(info.text);
  out["name"] = std::string(info.symbol.substr(1));  // without the k
  out["level"] = level_name(info.level);
  out["retry"] = retry_name(info.retry);
  out["http_status"] = info.http_status;
  out["message"] = std::string(info.message);
  out["cause"] = std::string(info.cause);
  out["solution"] = std::string(info.solution);
  return out;
}

py::object explain(const std::string& code) {
  const ErrorInfo* info = find_error(code);
  return info == nullptr ? py::none() : py::object(dict_of(*info));
}

py::list error_list() {
  py::list out;
  for (const ErrorInfo& info : all_errors()) out.append(dict_of(info));
  return out;
}

py::list plugin_list() {
  py::list out;
  for (const PluginDoc& plugin : list_plugins()) {
    py::list options;
    for (const OptionSpec& spec : plugin.options) {
      py::dict option;
      option["name"] = std::string(spec.name);
      option["type"] = std::string(spec.type);
      option["default"] = std::string(spec.default_value);
      option["doc"] = std::string(spec.doc);
      option["required"] = spec.required;
      option["secret"] = spec.secret;
      options.append(option);
    }
    py::dict row;
    row["kind"] = plugin.kind;
    row["name"] = plugin.name;
    row["doc"] = plugin.doc;
    row["options"] = options;
    out.append(row);
  }
  return out;
}

py::dict url_parts(const std::string& text) {
  Url url = take(parse_url(text));
  py::dict out;
  out["scheme"] = url.scheme;
  out["user"] = url.user;
  out["password"] = url.has_password ? py::object(py::str(url.password)) : py::none();
  out["host"] = url.host;
  out["port"] = url.port;
  out["path"] = url.path;
  out["query"] = url.query;
  return out;
}

py::list log_lines(LogQueue& queue, int64_t timeout_ms) {
  auto lines = without_gil([&] { return queue.next(std::chrono::milliseconds(timeout_ms)); });
  py::list out;
  for (const auto& [level, text] : lines) {
    out.append(py::make_tuple(static_cast<int>(level), py::bytes(text)));
  }
  return out;
}

}  // namespace

py::object stream_capsule(std::shared_ptr<const ArrowTable> table) {
  ArrowArrayStream* stream = new_stream();
  export_stream(std::move(table), stream);
  PyObject* capsule = PyCapsule_New(stream, kStreamName, [](PyObject* object) {
    auto* held = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(object, kStreamName));
    release_stream(held);
    delete_stream(held);
  });
  if (capsule == nullptr) {
    release_stream(stream);
    delete_stream(stream);
    throw py::error_already_set();
  }
  return py::reinterpret_steal<py::object>(capsule);
}

PYBIND11_MODULE(_core, m) {
  m.attr("__version__") = TAILRACE_VERSION;
  m.def("explain", &explain, py::arg("code"));
  m.def("all_errors", &error_list);
  m.def("list_plugins", &plugin_list);
  m.def("parse_url", &url_parts, py::arg("text"));
  m.def(
      "redact_url", [](const std::string& text) { return redact_url(text); }, py::arg("text"));
  m.def(
      "nearest_name", [](const std::string& word, const std::vector<std::string>& names) { return nearest_name(word, names); },
      py::arg("word"), py::arg("candidates"));
  m.def(
      "parse_duration_us", [](const std::string& text) { return take(parse_duration_us(text)); }, py::arg("text"));
  bind_jobs(m);
  bind_streams(m);
  bind_rules(m);
  bind_formats(m);
  bind_images(m);

  // Shared with the log sink, so engine threads that outlive the module may still push.
  auto queue = std::make_shared<LogQueue>();
  m.def("start_logs", [queue] { set_log_sink([queue](LogLevel level, std::string_view text) { queue->push(level, text); }); });
  m.def(
      "next_logs", [queue](int64_t timeout_ms) { return log_lines(*queue, timeout_ms); }, py::arg("timeout_ms"));
  m.def("close_logs", [queue] {
    set_log_sink(nullptr);
    queue->close();
  });
}

}  // namespace tailrace::python
