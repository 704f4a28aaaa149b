#include "python/py_status.h"

#include <unistd.h>

#include <string>

namespace tailrace::python {
namespace py = pybind11;
namespace {

// Bytes of a server's message or of a key need not be UTF-8.
py::str text_of(std::string_view text) {
  PyObject* made = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace");
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(made);
}

py::dict dict_of(const Status& status) {
  py::dict context;
  for (const auto& [key, value] : status.context()) context[text_of(key)] = text_of(value);
  py::dict out;
  out["code"] = text_of(error_info(status.code()).text);
  out["detail"] = text_of(status.detail());
  out["context"] = context;
  out["caused_by"] = status.cause() != nullptr && !status.cause()->ok() ? py::object(dict_of(*status.cause())) : py::none();
  return out;
}

}  // namespace

py::object exception_of(const Status& status) {
  if (status.ok()) return py::none();
  return py::module_::import("tailrace.errors").attr("from_core")(dict_of(status));
}

void raise(const Status& status) {
  py::object error = exception_of(status);
  PyErr_SetObject(py::type::handle_of(error).ptr(), error.ptr());
  throw py::error_already_set();
}

ForkGuard::ForkGuard() : pid_(getpid()) {}
bool ForkGuard::forked() const noexcept { return pid_ != getpid(); }
void ForkGuard::check() const {
  if (forked()) raise(Status(ErrorCode::kInternal, "this object was made before a fork; start processes with spawn"));
}

}  // namespace tailrace::python
