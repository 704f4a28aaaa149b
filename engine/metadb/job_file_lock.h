// JobFileLock: an flock on "<job file>.lock" that holds "pid@host" of its owner. Released when the object or
// the process dies; the file itself stays, removing it would let two owners lock two files of one name.
#pragma once
#include <memory>
#include <string>

#include "base/status.h"

namespace tailrace {

class JobFileLock {
 public:
  static Result<std::unique_ptr<JobFileLock>> acquire(const std::string& job_path);
  static std::string owner_of(const std::string& job_path);
  ~JobFileLock();
  JobFileLock(const JobFileLock&) = delete;
  JobFileLock& operator=(const JobFileLock&) = delete;

 private:
  explicit JobFileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace tailrace
