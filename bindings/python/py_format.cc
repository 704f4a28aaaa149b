// Message formats for Python: a described change to a message.
#include <pybind11/stl.h>

#include "app/described_change.h"
#include "python/module.h"
#include "python/py_status.h"

namespace tailrace::python {
namespace py = pybind11;

void bind_formats(py::module_& m) {
  m.def(
      "encode_change",
      [](const std::string& change) {
        DescribedMessage made = take(without_gil([&] { return encode_described(change); }));
        py::object value = made.skip ? py::object(py::none()) : py::object(py::bytes(made.value));
        py::object key = made.has_key ? py::object(py::bytes(made.key)) : py::object(py::none());
        return py::make_tuple(value, key);
      },
      py::arg("change"));
}

}  // namespace tailrace::python
