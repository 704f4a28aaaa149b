// The parts of tailrace._core, one function per file of bindings. Not thread-safe; called once at import.
#pragma once
#include <pybind11/pybind11.h>

#include <memory>

#include "python/arrow_table.h"

namespace tailrace::python {

void bind_jobs(pybind11::module_& module);
void bind_streams(pybind11::module_& module);
void bind_rules(pybind11::module_& module);
void bind_formats(pybind11::module_& module);
// The table as a capsule named "arrow_array_stream".
pybind11::object stream_capsule(std::shared_ptr<const ArrowTable> table);

}  // namespace tailrace::python
