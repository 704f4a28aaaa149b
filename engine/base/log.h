// Log: JSON or text lines to one place chosen by the process that embeds the engine. The library itself never
// prints. Thread-safe. Secrets must not be passed in.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace tailrace {

enum class LogLevel : int { kDebug, kInfo, kWarn, kError };
using LogSink = std::function<void(LogLevel, std::string_view message)>;

// The only process-wide state of the engine: where log lines go. Default: nowhere.
void set_log_sink(LogSink sink);
void log(LogLevel level, std::string_view message);

}  // namespace tailrace
