// The row images that one call of a rule in Python sees. Lives for that call only: close() ends it, and whoever kept the
// object gets an error. GIL held; one thread.
#pragma once
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "event/schema.h"
#include "event/value.h"

namespace tailrace::python {

class PyImages {
 public:
  struct Image {
    const Value* cells;
    bool is_after;
  };
  // `columns` must live until close().
  PyImages(std::string table, const std::vector<Column>& columns, std::vector<Image> images)
      : table_(std::move(table)), columns_(&columns), images_(std::move(images)) {}
  void close() {
    columns_ = nullptr;
    images_.clear();
  }
  size_t size() const { return images_.size(); }
  const std::string& table() const { return table_; }
  std::vector<std::string> columns() const;
  // "datetime", "decimal" …: the base word of the column's SQL type.
  std::string type_of(const std::string& name) const;
  std::vector<bool> is_after(const std::vector<uint32_t>& rows) const;
  std::vector<bool> has(const std::string& name, const std::vector<uint32_t>& rows) const;
  // One column of these rows as an Arrow stream; `as_text`: its canonical text.
  pybind11::object arrow(const std::string& name, const std::vector<uint32_t>& rows, bool as_text) const;
  // The rows as Python objects; a column that is not in the image is left out.
  pybind11::list dicts() const;

 private:
  const std::vector<Column>& open_columns() const;
  size_t find(const std::string& name) const;
  const Value* row(uint32_t at) const;

  std::string table_;
  const std::vector<Column>* columns_;
  std::vector<Image> images_;
};

void bind_images(pybind11::module_& module);

}  // namespace tailrace::python
