// Jobs and job files for Python.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>

#include "app/wire.h"
#include "job/job.h"
#include "python/arrow_rows.h"
#include "python/module.h"
#include "python/py_rule_set.h"
#include "python/py_status.h"

namespace tailrace::python {
namespace py = pybind11;
using std::chrono::milliseconds;
namespace {

py::dict position_of(const Position& p) {
  py::dict out;
  out["source_kind"] = p.source_kind;
  out["text"] = p.text;
  return out;
}

py::dict table_of(const TableProgress& t) {
  py::dict out;
  out["rows_total"] = t.rows_total;
  out["rows_read"] = t.rows_read;
  out["inserts"] = t.inserts;
  out["updates"] = t.updates;
  out["deletes"] = t.deletes;
  out["state"] = t.state;
  return out;
}

py::dict status_of(const JobStatus& s) {
  py::dict tables, out;
  for (const auto& [name, progress] : s.tables) tables[py::str(name)] = table_of(progress);
  out["state"] = std::string(job_state_name(s.state));
  out["name"] = s.name;
  out["phase"] = s.phase;
  out["rules"] = s.rules_version;
  out["rows_done"] = s.rows_done;
  out["rows_durable"] = s.rows_durable;
  out["rows_total"] = s.rows_total;
  out["rate"] = s.rate;
  out["lag_s"] = s.lag_s;
  out["eta_s"] = s.eta_s;
  out["checkpoint"] = position_of(s.checkpoint);
  out["error"] = exception_of(s.error);
  out["attempts"] = s.attempts;
  out["idle"] = s.idle;
  out["snapshot_done"] = s.snapshot_done;
  out["dropped_by_rules"] = s.dropped_by_rules;
  out["memory_peak"] = s.memory_peak;
  out["tables"] = tables;
  out["warnings"] = s.warnings;
  return out;
}

py::object cell_of(const Cell& cell) {
  if (auto* i = std::get_if<int64_t>(&cell)) return py::int_(*i);
  if (auto* d = std::get_if<double>(&cell)) return py::float_(*d);
  if (auto* t = std::get_if<std::string>(&cell)) return py::str(*t);
  if (auto* b = std::get_if<Blob>(&cell)) return py::bytes(b->bytes);
  return py::none();
}

Cell cell_from(const py::handle& value) {
  if (value.is_none()) return std::monostate();
  if (py::isinstance<py::bool_>(value)) return static_cast<int64_t>(value.cast<bool>());
  if (py::isinstance<py::int_>(value)) return value.cast<int64_t>();
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  if (py::isinstance<py::bytes>(value)) return Blob{value.cast<std::string>()};
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  throw py::type_error("a query parameter is None, bool, int, float, str or bytes");
}

// A query's result: plain rows, or Arrow made at the first call.
class PyTable {
 public:
  explicit PyTable(QueryTable table) : table_(std::move(table)) {}
  const std::vector<std::string>& columns() const { return table_.columns; }
  bool truncated() const { return table_.truncated; }
  size_t size() const { return table_.rows.size(); }
  py::list rows() const {
    py::list out;
    for (const auto& row : table_.rows) {
      py::tuple line(row.size());
      for (size_t i = 0; i < row.size(); ++i) line[i] = cell_of(row[i]);
      out.append(std::move(line));
    }
    return out;
  }
  py::object arrow(const py::object&) {
    if (!arrow_) arrow_ = take(without_gil([&] { return query_to_arrow(table_); }));
    return stream_capsule(arrow_);
  }

 private:
  QueryTable table_;
  std::shared_ptr<const ArrowTable> arrow_;
};

PyTable query(JobFile& file, const std::string& sql, const py::sequence& parameters, size_t max_rows) {
  std::vector<Cell> cells;
  for (const auto& value : parameters) cells.push_back(cell_from(value));
  return PyTable(take(without_gil([&] { return file.query(sql, cells, max_rows); })));
}

Job::Until until_of(const std::string& text) {
  if (text == "snapshot") return Job::Until::kSnapshot;
  if (text == "caught_up") return Job::Until::kCaughtUp;
  if (text == "position") return Job::Until::kPosition;
  return Job::Until::kEnd;
}

class PyJob {
 public:
  PyJob(const std::string& path, const std::string& config, const std::map<std::string, std::string>& secrets)
      : job_(take(without_gil([&] { return Job::open(path, config, secrets, python_factories()); }))) {}
  ~PyJob() { close(); }
  // Gives the job file back, once calls of other threads that are under way have returned. GIL held.
  void close() {
    std::shared_ptr<Job> last = std::move(job_);
    if (fork_.forked()) {
      new std::shared_ptr<Job>(std::move(last));  // leaked: its threads are not in this process, joining would hang
      return;
    }
    py::gil_scoped_release release;
    last.reset();
  }
  // REQUIRES: GIL held. The caller keeps the job while it works without the GIL.
  std::shared_ptr<Job> job() const {
    fork_.check();
    if (!job_) raise(Status(ErrorCode::kJobAborted, "this process let go of the job"));
    return job_;
  }

 private:
  ForkGuard fork_;
  std::shared_ptr<Job> job_;
};

// A job file of this or another process, for looking and for commands.
class PyJobFile {
 public:
  explicit PyJobFile(const std::string& path) : file_(take(without_gil([&] { return JobFile::open(path, JobFile::Mode::kRead); }))) {}
  JobFile& file() { return *file_; }

 private:
  std::unique_ptr<JobFile> file_;
};

py::object job_row(JobFile& file) {
  auto row = take(without_gil([&] { return file.read_job(); }));
  if (!row) return py::none();
  py::dict out;
  out["id"] = row->id;
  out["name"] = row->name;
  out["config"] = row->config;
  out["config_hash"] = row->config_hash;
  out["engine_version"] = row->engine_version;
  out["sink_identity"] = row->sink_identity;
  out["created_us"] = row->created_us;
  out["started_us"] = row->started_us;
  return out;
}

py::object command_row(JobFile& file, int64_t id) {
  auto row = take(without_gil([&] { return file.read_command(id); }));
  if (!row) return py::none();
  py::dict out;
  out["id"] = row->id;
  out["verb"] = row->verb;
  out["state"] = row->state;
  out["answer"] = row->answer;
  return out;
}

}  // namespace

void bind_jobs(py::module_& m) {
  py::class_<PyTable>(m, "Table")
      .def_property_readonly("columns", &PyTable::columns)
      .def_property_readonly("truncated", &PyTable::truncated)
      .def("__len__", &PyTable::size)
      .def("rows", &PyTable::rows)
      .def("__arrow_c_stream__", &PyTable::arrow, py::arg("requested_schema") = py::none());

  py::class_<PyJob>(m, "Job")
      .def(py::init<const std::string&, const std::string&, const std::map<std::string, std::string>&>(), py::arg("path"),
           py::arg("config_json"), py::arg("secrets"))
      .def("close", &PyJob::close)
      .def("start",
           [](PyJob& self) {
             auto job = self.job();
             check(without_gil([&] { return job->start(); }));
           })
      .def(
          "stop",
          [](PyJob& self, int64_t ms) {
            auto job = self.job();
            check(without_gil([&] { return job->stop(milliseconds(ms)); }));
          },
          py::arg("patience_ms"))
      .def(
          "pause",
          [](PyJob& self, int64_t ms) {
            auto job = self.job();
            check(without_gil([&] { return job->pause(milliseconds(ms)); }));
          },
          py::arg("patience_ms"))
      .def("resume",
           [](PyJob& self) {
             auto job = self.job();
             check(without_gil([&] { return job->resume(); }));
           })
      .def(
          "swap_rules",
          [](PyJob& self, const std::string& file, const std::map<std::string, std::string>& options, bool back, bool apply_ddl,
             int64_t timeout_ms, const std::string& at) {
            auto job = self.job();
            auto answer = take(without_gil([&] {
              return job->swap_rules(RuleChange{file, options, back, apply_ddl, at, milliseconds(timeout_ms)});
            }));
            py::dict out;
            out["before"] = answer.before;
            out["after"] = answer.after;
            out["position"] = answer.at.text;
            out["changes"] = answer.changes;
            return out;
          },
          py::arg("file"), py::arg("options"), py::arg("back"), py::arg("apply_ddl"), py::arg("timeout_ms"), py::arg("at") = "")
      .def(
          "decide_ddl",
          [](PyJob& self, int64_t id, bool release) {
            auto job = self.job();
            check(without_gil([&] { return job->decide_ddl(DdlDecision{id, release}); }));
          },
          py::arg("id"), py::arg("release"))
      .def("status",
           [](PyJob& self) {
             auto job = self.job();
             return status_of(without_gil([&] { return job->status(); }));
           })
      .def(
          "mark",
          [](PyJob& self, const std::string& until, const std::string& position) {
            auto job = self.job();
            check(without_gil([&] { return job->mark(until_of(until), position); }));
          },
          py::arg("until"), py::arg("position") = "")
      .def(
          "wait",
          [](PyJob& self, int64_t ms) {
            auto job = self.job();
            return take(without_gil([&] { return job->wait(milliseconds(ms)); }));
          },
          py::arg("slice_ms"))
      .def(
          "query",
          [](PyJob& self, const std::string& sql, const py::sequence& parameters, size_t max_rows) {
            auto job = self.job();
            return query(job->file(), sql, parameters, max_rows);
          },
          py::arg("sql"), py::arg("parameters") = py::tuple(), py::arg("max_rows") = 1'000'000)
      .def("row",
           [](PyJob& self) {
             auto job = self.job();
             return job_row(job->file());
           })
      .def_property_readonly("config_json", [](PyJob& self) { return self.job()->config().canonical; })
      .def_property_readonly("name", [](PyJob& self) { return self.job()->config().name; });

  py::class_<PyJobFile>(m, "JobFile")
      .def(py::init<const std::string&>(), py::arg("path"))
      .def(
          "query",
          [](PyJobFile& self, const std::string& sql, const py::sequence& parameters, size_t max_rows) {
            return query(self.file(), sql, parameters, max_rows);
          },
          py::arg("sql"), py::arg("parameters") = py::tuple(), py::arg("max_rows") = 1'000'000)
      .def("row", [](PyJobFile& self) { return job_row(self.file()); })
      .def(
          "command", [](PyJobFile& self, int64_t id) { return command_row(self.file(), id); }, py::arg("id"))
      .def(
          "withdraw", [](PyJobFile& self, int64_t id) { return take(without_gil([&] { return self.file().withdraw_command(id); })); },
          py::arg("id"));

  m.def(
      "job_owner", [](const std::string& path) { return JobFile::owner_of(path); }, py::arg("path"));
  m.def(
      "read_job_status", [](const std::string& path) { return status_of(take(without_gil([&] { return read_job_status(path); }))); },
      py::arg("path"));
  m.def(
      "post_job_command",
      [](const std::string& path, const std::string& verb, const std::string& arguments) {
        return take(without_gil([&] { return post_job_command(path, verb, arguments); }));
      },
      py::arg("path"), py::arg("verb"), py::arg("arguments") = "{}");
}

}  // namespace tailrace::python
