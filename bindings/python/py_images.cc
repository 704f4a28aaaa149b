#include "python/py_images.h"

#include <fmt/format.h>
#include <pybind11/stl.h>

#include "base/options.h"
#include "python/arrow_rows.h"
#include "python/module.h"
#include "python/py_status.h"
#include "python/py_value.h"

namespace tailrace::python {
namespace py = pybind11;

const std::vector<Column>& PyImages::open_columns() const {
  if (columns_ == nullptr)
    raise(Status(ErrorCode::kRuleRuntime, "a batch of images may be used only while the rule that was given it runs"));
  return *columns_;
}

size_t PyImages::find(const std::string& name) const {
  const std::vector<Column>& columns = open_columns();
  std::vector<std::string> names;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) return i;
    names.push_back(columns[i].name);
  }
  std::string near = nearest_name(name, names);
  raise(Status(ErrorCode::kRuleColumn,
               fmt::format("{} has no column `{}`{}", table_, name, near.empty() ? "" : fmt::format(": did you mean `{}`?", near))));
}

const Value* PyImages::row(uint32_t at) const {
  if (at >= images_.size()) throw py::index_error("no such image");
  return images_[at].cells;
}

std::vector<std::string> PyImages::columns() const {
  std::vector<std::string> names;
  for (const Column& column : open_columns()) names.push_back(column.name);
  return names;
}

std::string PyImages::type_of(const std::string& name) const { return open_columns()[find(name)].type_name; }

std::vector<bool> PyImages::is_after(const std::vector<uint32_t>& rows) const {
  open_columns();
  std::vector<bool> out;
  for (uint32_t at : rows) {
    row(at);
    out.push_back(images_[at].is_after);
  }
  return out;
}

std::vector<bool> PyImages::has(const std::string& name, const std::vector<uint32_t>& rows) const {
  size_t column = find(name);
  std::vector<bool> out;
  for (uint32_t at : rows) out.push_back(!row(at)[column].is_absent());
  return out;
}

py::object PyImages::arrow(const std::string& name, const std::vector<uint32_t>& rows, bool as_text) const {
  size_t column = find(name);
  std::vector<const Value*> cells;
  for (uint32_t at : rows) {
    const Value* cell = row(at) + column;
    if (cell->is_absent()) {
      raise(Status(ErrorCode::kRuleColumn,
                   fmt::format("column `{}` is not in this row image: take batch.filter(batch.has(\"{}\")) first", name, name)));
    }
    cells.push_back(cell);
  }
  return stream_capsule(take(cells_to_arrow((*columns_)[column], cells, as_text)));
}

py::list PyImages::dicts() const {
  const std::vector<Column>& columns = open_columns();
  std::vector<py::str> names;
  for (const Column& column : columns) names.emplace_back(column.name);
  py::list out;
  for (const Image& image : images_) {
    py::dict one;
    for (size_t i = 0; i < columns.size(); ++i) {
      if (!image.cells[i].is_absent()) one[names[i]] = value_of(image.cells[i], columns[i]);
    }
    out.append(std::move(one));
  }
  return out;
}

void bind_images(py::module_& m) {
  py::class_<PyImages, std::shared_ptr<PyImages>>(m, "Images")
      .def("__len__", &PyImages::size)
      .def_property_readonly("table", &PyImages::table)
      .def_property_readonly("columns", &PyImages::columns)
      .def("type_of", &PyImages::type_of, py::arg("name"))
      .def("is_after", &PyImages::is_after, py::arg("rows"))
      .def("has", &PyImages::has, py::arg("name"), py::arg("rows"))
      .def("arrow", &PyImages::arrow, py::arg("name"), py::arg("rows"), py::arg("as_text") = false)
      .def("dicts", &PyImages::dicts);
}

}  // namespace tailrace::python
