// Status to Python exceptions, and the rule of the GIL: engine calls run without it, objects are made with it.
#pragma once
#include <pybind11/pybind11.h>

#include <utility>

#include "base/status.h"

namespace tailrace::python {

// An instance of the tailrace.errors class of this failure; None when ok. GIL held.
pybind11::object exception_of(const Status& status);
[[noreturn]] void raise(const Status& status);

template <class Call>
auto without_gil(Call&& call) {
  pybind11::gil_scoped_release release;
  return std::forward<Call>(call)();
}
inline void check(const Status& status) {
  if (!status.ok()) raise(status);
}
template <class T>
T take(Result<T> result) {
  if (!result.ok()) raise(result.status());
  return std::move(result).value();
}

// Engine threads do not survive a fork: objects made before it refuse to work in the child, and are leaked there.
class ForkGuard {
 public:
  ForkGuard();
  bool forked() const noexcept;
  void check() const;  // InternalError in a forked child
 private:
  long pid_;
};

}  // namespace tailrace::python
