// The low-level stream for Python: batches of change events as Arrow.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "app/wire.h"
#include "python/arrow_rows.h"
#include "python/module.h"
#include "python/py_rule_set.h"
#include "python/py_status.h"

namespace tailrace::python {
namespace py = pybind11;
using std::chrono::milliseconds;
namespace {

using BatchRef = std::shared_ptr<const EventBatch>;

// The rows of one table with one schema inside a batch. Arrow columns are made at the first export.
class PyRows {
 public:
  PyRows(BatchRef batch, const TableSchema* schema) : batch_(std::move(batch)), schema_(schema) {}
  void add(const ChangeEvent* event) { events_.push_back(event); }
  size_t size() const { return events_.size(); }
  const TableSchema& schema() const { return *schema_; }
  py::object arrow(const py::object&) {
    if (!arrow_) arrow_ = take(without_gil([&] { return rows_to_arrow(*batch_, *schema_, events_); }));
    return stream_capsule(arrow_);
  }

 private:
  BatchRef batch_;
  const TableSchema* schema_;  // kept alive by the batch
  std::vector<const ChangeEvent*> events_;
  std::shared_ptr<const ArrowTable> arrow_;
};

bool is_row(const ChangeEvent& event) {
  return event.table != nullptr && (event.op == Op::kInsert || event.op == Op::kUpdate || event.op == Op::kDelete || event.op == Op::kRead);
}

class PyBatch {
 public:
  PyBatch(BatchRef batch, Position position) : batch_(std::move(batch)), position_(std::move(position)) {}
  // Changes in it: rows, DDL, truncations.
  size_t size() const {
    size_t n = 0;
    for (const ChangeEvent& event : batch_->events) n += event.op != Op::kHeartbeat;
    return n;
  }
  std::vector<std::string> tables() const {
    std::vector<std::string> names;
    for (const ChangeEvent& event : batch_->events) {
      if (!is_row(event)) continue;
      std::string name = event.table->qualified_name();
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
    }
    return names;
  }
  // One element per schema the table had in the batch, in order.
  std::vector<PyRows> parts(const std::string& table) const {
    std::vector<PyRows> out;
    const TableSchema* last = nullptr;
    for (const ChangeEvent& event : batch_->events) {
      if (!is_row(event)) continue;
      if (event.table != last && event.table->qualified_name() != table) continue;
      if (event.table != last) out.emplace_back(batch_, event.table);
      last = event.table;
      out.back().add(&event);
    }
    return out;
  }
  py::object changes(const py::object&) {
    if (!arrow_) arrow_ = take(without_gil([&] { return changes_to_arrow(*batch_); }));
    return stream_capsule(arrow_);
  }
  py::tuple position() const { return py::make_tuple(position_.source_kind, position_.text); }
  bool is_boundary() const { return batch_->boundary.has_value(); }
  bool is_snapshot() const { return batch_->is_snapshot; }

 private:
  BatchRef batch_;
  Position position_;
  std::shared_ptr<const ArrowTable> arrow_;
};

class PyReader {
 public:
  explicit PyReader(const StreamConfig& config) : reader_(take(without_gil([&] { return open_stream(config); }))) {}
  ~PyReader() { close(); }
  // Ends the reader once a call of another thread that is under way has returned. GIL held.
  void close() {
    std::shared_ptr<StreamReader> last = std::move(reader_);
    if (fork_.forked()) {
      new std::shared_ptr<StreamReader>(std::move(last));  // leaked: its threads are not in this process
      return;
    }
    py::gil_scoped_release release;
    if (last) last->interrupt();
    last.reset();
  }
  py::object next(int64_t ms) {
    auto reader = held();
    auto batch = take(without_gil([&] { return reader->next(milliseconds(ms)); }));
    if (!batch) return py::none();
    batch->charge.reset();  // from here on it is Python's memory, and may outlive the reader and its budget
    Position position = without_gil([&] { return reader->position(); });
    return py::cast(PyBatch(std::move(batch), std::move(position)));
  }
  bool ended() const { return held()->ended(); }
  void commit(const std::string& source_kind, const std::string& text) {
    auto reader = held();
    check(without_gil([&] { return reader->commit(Position{source_kind, text}); }));
  }
  py::tuple position() const {
    auto reader = held();
    Position p = without_gil([&] { return reader->position(); });
    return py::make_tuple(p.source_kind, p.text);
  }

 private:
  // REQUIRES: GIL held. The caller keeps the reader while it works without the GIL.
  std::shared_ptr<StreamReader> held() const {
    fork_.check();
    if (!reader_) raise(Status(ErrorCode::kJobAborted, "the stream is closed"));
    return reader_;
  }
  ForkGuard fork_;
  std::shared_ptr<StreamReader> reader_;
};

py::list as_list(const std::vector<CheckItem>& items) {
  py::list out;
  for (const CheckItem& item : items) out.append(py::make_tuple(item.name, item.detail, exception_of(item.status), item.is_doubtful));
  return out;
}

py::list check_items(const std::string& url, const std::map<std::string, std::string>& options) {
  return as_list(without_gil([&] { return check_source({url, options}); }));
}

py::list check_job_items(const std::string& config, const std::map<std::string, std::string>& secrets) {
  return as_list(without_gil([&] { return check_job(config, secrets); }));
}

}  // namespace

void bind_streams(py::module_& m) {
  py::class_<PyRows>(m, "Rows")
      .def("__len__", &PyRows::size)
      .def_property_readonly("table", [](const PyRows& self) { return self.schema().qualified_name(); })
      .def_property_readonly("schema_id", [](const PyRows& self) { return self.schema().schema_id; })
      .def("__arrow_c_stream__", &PyRows::arrow, py::arg("requested_schema") = py::none());
  py::class_<PyBatch>(m, "Batch")
      .def("__len__", &PyBatch::size)
      .def_property_readonly("tables", &PyBatch::tables)
      .def("parts", &PyBatch::parts, py::arg("table"))
      .def("__arrow_c_stream__", &PyBatch::changes, py::arg("requested_schema") = py::none())
      .def_property_readonly("position", &PyBatch::position)
      .def_property_readonly("is_boundary", &PyBatch::is_boundary)
      .def_property_readonly("is_snapshot", &PyBatch::is_snapshot);
  py::class_<PyReader>(m, "StreamReader")
      .def(py::init([](const std::string& url, const std::map<std::string, std::string>& options, const std::vector<std::string>& tables,
                       const std::string& rules_file, const std::map<std::string, std::string>& rules_options, const std::string& start,
                       const std::string& job_path, size_t batch_bytes) {
             StreamConfig config;
             config.source = {url, options};
             config.tables = tables;
             config.rules.file = rules_file;
             config.rules.options = rules_options;
             config.start = start;
             config.job_path = job_path;
             config.batch_bytes = batch_bytes;
             config.rule_stage = python_factories().rules;
             return std::make_unique<PyReader>(config);
           }),
           py::kw_only(), py::arg("url"), py::arg("options"), py::arg("tables"), py::arg("rules_file"), py::arg("rules_options"),
           py::arg("start"), py::arg("job_path"), py::arg("batch_bytes"))
      .def("next", &PyReader::next, py::arg("timeout_ms"))
      .def("close", &PyReader::close)
      .def("commit", &PyReader::commit, py::arg("source_kind"), py::arg("text"))
      .def_property_readonly("ended", &PyReader::ended)
      .def_property_readonly("position", &PyReader::position);
  m.def("check_source", &check_items, py::arg("url"), py::arg("options"));
  m.def("check_job", &check_job_items, py::arg("config"), py::arg("secrets"));
}

}  // namespace tailrace::python
