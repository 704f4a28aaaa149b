#include "base/status.h"

#include <algorithm>
#include <cctype>

namespace tailrace {
namespace {
constexpr Level kWarn = Level::kWarn;
constexpr Level kError = Level::kError;
constexpr Level kFatal = Level::kFatal;
constexpr Retry kNever = Retry::kNever;
constexpr Retry kTransient = Retry::kTransient;
constexpr Retry kOperator = Retry::kOperator;
}  // namespace

const std::vector<ErrorInfo>& all_errors() {
  static const std::vector<ErrorInfo> table = {
#define TAILRACE_CODE(symbol, text, level, retry, http, message, cause, solution) \
  {ErrorCode::symbol, #symbol, text, level, retry, http, message, cause, solution},
#include "base/error_codes.def"
#undef TAILRACE_CODE
  };
  (void)kWarn;
  (void)kNever;
  return table;
}

const ErrorInfo& error_info(ErrorCode code) noexcept { return all_errors()[static_cast<size_t>(code)]; }

const ErrorInfo* find_error(std::string_view text) noexcept {
  auto same = [&](const ErrorInfo& info) {
    return std::equal(info.text.begin(), info.text.end(), text.begin(), text.end(), [](char a, char b) {
      return std::toupper(static_cast<unsigned char>(a)) == std::toupper(static_cast<unsigned char>(b));
    });
  };
  auto it = std::find_if(all_errors().begin(), all_errors().end(), same);
  return it == all_errors().end() ? nullptr : &*it;
}

Status::Status(ErrorCode code, std::string detail) : error_(std::make_unique<Error>()) {
  error_->code = code;
  error_->detail = std::move(detail);
}

Status::Status(const Status& other) { *this = other; }

Status& Status::operator=(const Status& other) {
  if (this == &other) return *this;
  if (other.ok()) {
    error_.reset();
    return *this;
  }
  auto copy = std::make_unique<Error>();
  copy->code = other.error_->code;
  copy->detail = other.error_->detail;
  copy->context = other.error_->context;
  if (other.error_->cause) copy->cause = std::make_unique<Status>(*other.error_->cause);
  error_ = std::move(copy);
  return *this;
}

ErrorCode Status::code() const noexcept { return error_->code; }
Retry Status::retry() const noexcept { return error_info(error_->code).retry; }
const std::string& Status::detail() const noexcept { return error_->detail; }
const std::vector<std::pair<std::string, std::string>>& Status::context() const noexcept { return error_->context; }
const Status* Status::cause() const noexcept { return error_ ? error_->cause.get() : nullptr; }

Status Status::with(std::string_view key, std::string value) && {
  if (error_) {
    auto has = [&](const auto& pair) { return pair.first == key; };
    if (std::none_of(error_->context.begin(), error_->context.end(), has)) {
      error_->context.emplace_back(std::string(key), std::move(value));
    }
  }
  return std::move(*this);
}

Status Status::caused_by(Status cause) && {
  if (error_ && !cause.ok()) error_->cause = std::make_unique<Status>(std::move(cause));
  return std::move(*this);
}

std::string Status::to_string() const {
  if (ok()) return "ok";
  const ErrorInfo& info = error_info(error_->code);
  std::string out{info.text};
  out.append(" ").append(info.message);
  if (!error_->detail.empty()) out.append(": ").append(error_->detail);
  if (!error_->context.empty()) {
    out.append(" [");
    for (size_t i = 0; i < error_->context.size(); ++i) {
      if (i) out.append(" ");
      out.append(error_->context[i].first).append("=").append(error_->context[i].second);
    }
    out.append("]");
  }
  if (error_->cause) out.append(" caused by ").append(error_->cause->to_string());
  return out;
}

}  // namespace tailrace
