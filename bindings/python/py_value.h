// Values to Python objects and back, exact in both directions. GIL held.
#pragma once
#include <pybind11/pybind11.h>

#include <memory>

#include "event/schema.h"
#include "event/value.h"
#include "rule/value_write.h"

namespace tailrace::python {

// int, float, Decimal, bytes, None; the rest as canonical text. REQUIRES: not absent.
pybind11::object value_of(const Value& value, const Column& column);

// Writes None, bool, int, float, Decimal, str or bytes into a cell; scalars of numpy count as what they hold. Text never
// becomes bytes by itself, nor bytes text.
WriteFault write_object(Value& cell, const Column& column, pybind11::handle value, Arena& arena);

// A Python object that engine threads may let go of.
class KeptObject {
 public:
  explicit KeptObject(pybind11::object object) : object_(new pybind11::object(std::move(object)), Release()) {}
  pybind11::object& operator*() const { return *object_; }

 private:
  struct Release {
    void operator()(pybind11::object* object) const;
  };
  std::unique_ptr<pybind11::object, Release> object_;
};

}  // namespace tailrace::python
