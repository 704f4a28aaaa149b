// LogFile: one binary log file, read event by event. One thread.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tailrace {

class LogFile {
 public:
  // kSourceFile: not there, not readable, not a binary log. kSourceUnsupported: encrypted.
  static Result<LogFile> open(const std::string& path);
  LogFile(LogFile&& other) noexcept;
  LogFile& operator=(LogFile&& other) noexcept;
  ~LogFile();

  const std::string& path() const noexcept { return path_; }
  std::string name() const;  // without folders: the name in positions
  uint64_t offset() const noexcept { return offset_; }
  Result<uint64_t> size() const;  // of the whole file, now
  void seek(uint64_t offset);
  // The next event, header included; empty at the end of the file. Valid until the next call.
  Result<std::string_view> next();

 private:
  explicit LogFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  // Makes `wanted` bytes at offset_ available if the file has them; the number available is the result.
  Result<size_t> fill(size_t wanted);
  Status damaged(bool truncated, std::string detail) const;

  std::string path_;
  int fd_ = -1;
  uint64_t offset_ = 0;  // of the next event
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // valid bytes; begin_ is at offset_
};

}  // namespace tailrace
