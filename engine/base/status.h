// Status and Result: how every fallible function of the engine reports failure.
//
// A Status is one pointer: null means ok, so the good path allocates nothing. A failed Status owns its
// error (code, detail, context pairs, cause chain). Values are movable and copyable, and may cross threads.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tailrace {

// Who can make a failed operation succeed: nobody, time (retry with backoff), or a person.
enum class Retry : uint8_t { kNever, kTransient, kOperator };
enum class Level : uint8_t { kWarn, kError, kFatal };

enum class ErrorCode : uint16_t {
#define TAILRACE_CODE(symbol, text, level, retry, http, message, cause, solution) symbol,
#include "base/error_codes.def"
#undef TAILRACE_CODE
};

// One row of error_codes.def. All strings have static lifetime.
struct ErrorInfo {
  ErrorCode code;
  std::string_view symbol;  // "kSourceAuth"
  std::string_view text;    // "SRC-0001"
  Level level;
  Retry retry;
  int http_status;
  std::string_view message;  // one line, what happened
  std::string_view cause;
  std::string_view solution;
};

const ErrorInfo& error_info(ErrorCode code) noexcept;
// Looks up "SRC-0001" (case-insensitive); null if there is no such code.
const ErrorInfo* find_error(std::string_view text) noexcept;
const std::vector<ErrorInfo>& all_errors();

class [[nodiscard]] Status {
 public:
  Status() noexcept = default;
  Status(ErrorCode code, std::string detail);
  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  [[nodiscard]] bool ok() const noexcept { return error_ == nullptr; }
  ErrorCode code() const noexcept;             // REQUIRES: !ok()
  Retry retry() const noexcept;                // REQUIRES: !ok()
  const std::string& detail() const noexcept;  // REQUIRES: !ok()
  const std::vector<std::pair<std::string, std::string>>& context() const noexcept;
  const Status* cause() const noexcept;  // null when there is none

  // Adds a place: table, key, gtid, position, file, rule, topic … The first value given for a key stays.
  Status with(std::string_view key, std::string value) &&;
  Status caused_by(Status cause) &&;
  // "SRC-0001 message: detail [table=…] caused by …", one line.
  std::string to_string() const;

 private:
  struct Error {
    ErrorCode code;
    std::string detail;
    std::vector<std::pair<std::string, std::string>> context;
    std::unique_ptr<Status> cause;
  };
  std::unique_ptr<Error> error_;
};

// A T or a failed Status.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT: implicit by design
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT: REQUIRES !status.ok()
  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  // The failure; an ok Status when there is a value.
  Status status() const& { return ok() ? Status() : std::get<1>(state_); }
  Status status() && { return ok() ? Status() : std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Status> state_;
};

#define TAILRACE_CONCAT_(a, b) a##b
#define TAILRACE_CONCAT(a, b) TAILRACE_CONCAT_(a, b)
// TAILRACE_TRY(auto x, expr): x = value of a Result, or return its Status.
#define TAILRACE_TRY_IMPL(tmp, decl, ...)        \
  auto tmp = (__VA_ARGS__);                      \
  if (!tmp.ok()) return std::move(tmp).status(); \
  decl = std::move(tmp).value()
#define TAILRACE_TRY(decl, ...) TAILRACE_TRY_IMPL(TAILRACE_CONCAT(try_, __LINE__), decl, __VA_ARGS__)
// TAILRACE_OK(expr): return the Status if it failed.
#define TAILRACE_OK(...)                        \
  do {                                          \
    ::tailrace::Status status_ = (__VA_ARGS__); \
    if (!status_.ok()) return status_;          \
  } while (0)

}  // namespace tailrace
