// Fault points: places where a test lets the process die. TAILRACE_FAULT=kill@NAME:COUNT[+MICROSECONDS] sends SIGKILL to
// this process, that many microseconds after point NAME is passed for the COUNTth time. Without the variable a point
// costs one load. Thread-safe.
//   snapshot    a chunk of a table's copy has been handed to the sink
//   mid-batch   a batch has been handed to the sink, what it belongs to is not yet durable
//   flush       the sink is about to make its writes durable, or a checkpoint is about to be saved
#pragma once
#include <string_view>

namespace tailrace {

void fault_point(std::string_view name) noexcept;

}  // namespace tailrace
