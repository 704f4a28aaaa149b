#include "python/py_value.h"

#include <string>

#include "event/value_text.h"

namespace tailrace::python {
namespace py = pybind11;
namespace {

WriteFault write_int(Value& cell, const Column& column, PyObject* value, Arena& arena) {
  int overflow = 0;
  long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow == 0) {
    if (column.kind != Kind::kDouble) return write_integer(cell, column, number, false, arena);
    constexpr long long kExact = 1LL << 53;
    if (number > kExact || number < -kExact) return WriteFault::kRange;
    return write_number(cell, column, static_cast<double>(number), arena);
  }
  if (column.kind == Kind::kDecimal) return write_decimal(cell, column, std::string(py::str(py::handle(value))), arena);
  if (overflow < 0) return WriteFault::kRange;
  unsigned long long large = PyLong_AsUnsignedLongLong(value);
  if (PyErr_Occurred()) {
    PyErr_Clear();
    return WriteFault::kRange;
  }
  return write_integer(cell, column, static_cast<int64_t>(large), true, arena);
}

WriteFault write_str(Value& cell, const Column& column, PyObject* value, Arena& arena) {
  if (column.kind == Kind::kBytes || column.kind == Kind::kGeometry) return WriteFault::kType;
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value, &size);
  if (text == nullptr) {
    PyErr_Clear();  // a lone surrogate
    return WriteFault::kUtf8;
  }
  return write_text(cell, column, {text, static_cast<size_t>(size)}, arena);
}

}  // namespace

py::object value_of(const Value& value, const Column& column) {
  switch (value.kind) {
    case Kind::kNull: return py::none();
    case Kind::kInt: return py::int_(value.i);
    case Kind::kUint:
    case Kind::kYear:
    case Kind::kBit: return py::int_(value.u);
    case Kind::kDouble: return py::float_(value.d);
    case Kind::kDecimal: return py::module_::import("decimal").attr("Decimal")(std::string(value.text()));
    case Kind::kBytes:
    case Kind::kGeometry: return py::bytes(value.p, value.size);
    default: return py::str(to_text(value, column));
  }
}

WriteFault write_object(Value& cell, const Column& column, py::handle value, Arena& arena) {
  PyObject* object = value.ptr();
  if (object == Py_None) return write_null(cell, column);
  if (PyBool_Check(object)) return write_bool(cell, column, object == Py_True);
  if (PyLong_Check(object)) return write_int(cell, column, object, arena);
  if (PyFloat_Check(object)) return write_number(cell, column, PyFloat_AS_DOUBLE(object), arena);
  if (PyUnicode_Check(object)) return write_str(cell, column, object, arena);
  if (PyBytes_Check(object) || PyByteArray_Check(object)) {
    if (column.kind != Kind::kBytes && column.kind != Kind::kGeometry) return WriteFault::kType;
    std::string_view bytes = PyBytes_Check(object)
                                 ? std::string_view(PyBytes_AS_STRING(object), static_cast<size_t>(PyBytes_GET_SIZE(object)))
                                 : std::string_view(PyByteArray_AS_STRING(object), static_cast<size_t>(PyByteArray_GET_SIZE(object)));
    return write_text(cell, column, bytes, arena);
  }
  if (py::isinstance(value, py::module_::import("decimal").attr("Decimal"))) {
    return write_decimal(cell, column, std::string(py::str(value.attr("__format__")("f"))), arena);
  }
  if (py::hasattr(value, "dtype") && py::hasattr(value, "item")) return write_object(cell, column, value.attr("item")(), arena);
  return WriteFault::kType;
}

void KeptObject::Release::operator()(py::object* object) const {
  if (!Py_IsInitialized()) return;  // the interpreter is gone, and what it had with it
  py::gil_scoped_acquire gil;
  delete object;
}

}  // namespace tailrace::python
