// LookupTable: the rows of a lookup, by key. Read once, when the rules are loaded; immutable then and shared by the states of
// all workers.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "event/schema.h"
#include "event/value.h"
#include "rule/lookup_spec.h"

namespace tailrace {

class LookupTable {
 public:
  // Where the file of a lookup is. Rules that are not trusted have CSV files in the folder of the rule file only.
  static Result<std::string> path_of(const LookupSpec& spec, const std::string& folder, bool trusted);
  // What a job keeps of it and a version is a hash of: the bytes of the CSV file; what the SELECT gave, as CSV with a type
  // behind each name. RULE-0101.
  static Result<std::string> read(const LookupSpec& spec, const std::string& path);
  // `text`: from read(); `file`: for errors. RULE-0101 with file:line.
  static Result<std::shared_ptr<const LookupTable>> make(const LookupSpec& spec, std::string_view text, const std::string& file);

  static constexpr int32_t kNone = -1;
  // The row of a key, by the key's canonical text.
  int32_t find(std::string_view key) const noexcept {
    auto found = rows_by_key_.find(key);
    return found == rows_by_key_.end() ? kNone : static_cast<int32_t>(found->second);
  }
  const Value& cell(int32_t row, size_t column) const noexcept { return cells_[static_cast<size_t>(row) * columns_.size() + column]; }
  const std::string& name() const noexcept { return name_; }
  const std::string& file() const noexcept { return file_; }
  const std::vector<Column>& columns() const noexcept { return columns_; }
  const std::string& key() const noexcept { return columns_[key_].name; }
  size_t size() const noexcept { return rows_by_key_.size(); }

 private:
  class Builder;
  std::string name_, file_;
  std::vector<Column> columns_;
  size_t key_ = 0;
  std::vector<Value> cells_;  // row by row
  Arena arena_;               // their texts, and the keys
  std::unordered_map<std::string_view, uint32_t> rows_by_key_;
};

}  // namespace tailrace
