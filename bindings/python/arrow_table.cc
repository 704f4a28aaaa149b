#include "python/arrow_table.h"

#include <cerrno>
#include <limits>

extern "C" {
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};
struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};
struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
  int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
  const char* (*get_last_error)(struct ArrowArrayStream*);
  void (*release)(struct ArrowArrayStream*);
  void* private_data;
};
}

namespace tailrace::python {
namespace {

constexpr int64_t kNullableFlag = 2;
using TableRef = std::shared_ptr<const ArrowTable>;

size_t width_of(std::string_view format) {
  if (format == "c" || format == "C") return 1;
  if (format == "s" || format == "S") return 2;
  if (format == "i" || format == "I" || format == "f" || format == "tdD") return 4;
  if (format == "u" || format == "z" || format.substr(0, 1) == "+") return 0;
  if (format.substr(0, 2) == "d:") return 16;
  if (format.substr(0, 2) == "w:") return std::stoul(std::string(format.substr(2)));
  return 8;  // l L g tsu: tDu
}

std::string metadata_blob(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out;
  auto number = [&](size_t n) {
    auto value = static_cast<int32_t>(n);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  if (pairs.empty()) return out;
  number(pairs.size());
  for (const auto& [key, value] : pairs) {
    number(key.size());
    out += key;
    number(value.size());
    out += value;
  }
  return out;
}

struct SchemaHolder {
  TableRef table;  // owns format and name
  std::string metadata;
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> pointers;
};

void release_schema(ArrowSchema* schema) {
  auto* holder = static_cast<SchemaHolder*>(schema->private_data);
  for (ArrowSchema* child : holder->pointers) {
    if (child->release != nullptr) child->release(child);
  }
  schema->release = nullptr;
  delete holder;
}

void fill_schema(const TableRef& table, const char* format, const char* name, const std::vector<ArrowColumn>& fields,
                 const std::vector<std::pair<std::string, std::string>>& metadata, int64_t flags, ArrowSchema* out) {
  auto holder = std::make_unique<SchemaHolder>();
  holder->table = table;
  holder->metadata = metadata_blob(metadata);
  holder->children.resize(fields.size());
  for (size_t i = 0; i < fields.size(); ++i) {
    const ArrowColumn& field = fields[i];
    fill_schema(table, field.format.c_str(), field.name.c_str(), field.children, field.metadata, kNullableFlag, &holder->children[i]);
    holder->pointers.push_back(&holder->children[i]);
  }
  *out = {format,
          name,
          holder->metadata.empty() ? nullptr : holder->metadata.data(),
          flags,
          static_cast<int64_t>(fields.size()),
          holder->pointers.data(),
          nullptr,
          release_schema,
          nullptr};
  out->private_data = holder.release();
}

struct ArrayHolder {
  TableRef table;  // owns the buffers
  std::vector<const void*> buffers;
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
};

void release_array(ArrowArray* array) {
  auto* holder = static_cast<ArrayHolder*>(array->private_data);
  for (ArrowArray* child : holder->pointers) {
    if (child->release != nullptr) child->release(child);
  }
  array->release = nullptr;
  delete holder;
}

// A consumer may move a child out and release the parent first, so each level holds the table itself.
void fill_array(const TableRef& table, const ArrowColumn* column, int64_t length, const std::vector<ArrowColumn>& fields, ArrowArray* out) {
  auto holder = std::make_unique<ArrayHolder>();
  holder->table = table;
  int64_t nulls = 0;
  if (column == nullptr) {
    holder->buffers = {nullptr};
  } else {
    nulls = column->null_count;
    holder->buffers = {column->validity.empty() ? nullptr : column->validity.data()};
    if (!column->offsets.empty()) holder->buffers.push_back(column->offsets.data());
    if (column->format.front() != '+') holder->buffers.push_back(column->data.data());
  }
  holder->children.resize(fields.size());
  for (size_t i = 0; i < fields.size(); ++i) {
    fill_array(table, &fields[i], fields[i].length, fields[i].children, &holder->children[i]);
    holder->pointers.push_back(&holder->children[i]);
  }
  *out = {length,
          nulls,
          0,
          static_cast<int64_t>(holder->buffers.size()),
          static_cast<int64_t>(fields.size()),
          holder->buffers.data(),
          holder->pointers.data(),
          nullptr,
          release_array,
          nullptr};
  out->private_data = holder.release();
}

struct StreamHolder {
  TableRef table;
  bool sent = false;
};

int stream_schema(ArrowArrayStream* stream, ArrowSchema* out) {
  auto* holder = static_cast<StreamHolder*>(stream->private_data);
  try {
    fill_schema(holder->table, "+s", "", holder->table->columns, {}, 0, out);
    return 0;
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
}

int stream_next(ArrowArrayStream* stream, ArrowArray* out) {
  auto* holder = static_cast<StreamHolder*>(stream->private_data);
  if (holder->sent) {
    out->release = nullptr;  // the end
    return 0;
  }
  try {
    fill_array(holder->table, nullptr, holder->table->rows, holder->table->columns, out);
    holder->sent = true;
    return 0;
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
}

const char* stream_error(ArrowArrayStream*) { return "out of memory"; }  // the only way to fail

void stream_release(ArrowArrayStream* stream) {
  delete static_cast<StreamHolder*>(stream->private_data);
  stream->release = nullptr;
}

}  // namespace

ColumnBuilder::ColumnBuilder(std::string name, std::string format, size_t expected_rows) {
  column_.name = std::move(name);
  column_.format = std::move(format);
  width_ = width_of(column_.format);
  column_.data.reserve(std::max<size_t>(1, expected_rows * std::max<size_t>(width_, 1)));  // buffers are never null
  if (has_offsets()) {
    column_.offsets.reserve(expected_rows + 1);
    column_.offsets.push_back(0);
  }
}

bool ColumnBuilder::has_offsets() const noexcept { return column_.format == "u" || column_.format == "z" || column_.format == "+l"; }

void ColumnBuilder::valid() {
  if (!column_.validity.empty()) {
    auto at = static_cast<size_t>(column_.length);
    if (at % 8 == 0) column_.validity.push_back(0);
    column_.validity[at / 8] |= static_cast<uint8_t>(1u << at % 8);
  }
  ++column_.length;
}

void ColumnBuilder::null() {
  auto at = static_cast<size_t>(column_.length);
  if (column_.validity.empty()) {  // the first null: everything before it is valid
    column_.validity.assign(at / 8 + 1, 0xFF);
    column_.validity.back() = static_cast<uint8_t>((1u << at % 8) - 1);
  } else if (at % 8 == 0) {
    column_.validity.push_back(0);
  }
  if (has_offsets()) column_.offsets.push_back(column_.offsets.back());
  column_.data.resize(column_.data.size() + width_);
  ++column_.length;
  ++column_.null_count;
}

void ColumnBuilder::text(std::string_view value) {
  if (column_.data.size() + value.size() > std::numeric_limits<int32_t>::max()) {
    overflow_ = true;
    value = {};
  }
  column_.data.insert(column_.data.end(), value.begin(), value.end());
  if (has_offsets()) column_.offsets.push_back(static_cast<int32_t>(column_.data.size()));
  valid();
}

void ColumnBuilder::end_list(int64_t items) {
  column_.offsets.push_back(static_cast<int32_t>(items));
  valid();
}

Result<ArrowColumn> ColumnBuilder::finish() {
  if (overflow_) {
    return Status(ErrorCode::kFormatValue, "the texts of one batch are larger than 2 GiB; take smaller batches")
        .with("column", column_.name);
  }
  return std::move(column_);
}

void export_stream(TableRef table, ArrowArrayStream* out) {
  auto holder = std::make_unique<StreamHolder>();
  holder->table = std::move(table);
  *out = {stream_schema, stream_next, stream_error, stream_release, holder.release()};
}

void release_stream(ArrowArrayStream* stream) noexcept {
  if (stream->release != nullptr) stream->release(stream);
}

ArrowArrayStream* new_stream() { return new ArrowArrayStream{}; }
void delete_stream(ArrowArrayStream* stream) noexcept { delete stream; }

}  // namespace tailrace::python
