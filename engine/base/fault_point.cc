#include "base/fault_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

namespace tailrace {
namespace {

struct Fault {
  std::string point;
  std::atomic<long> left{0};
  long delay_us = 0;
  bool armed = false;

  Fault() {
    const char* given = std::getenv("TAILRACE_FAULT");
    std::string text = given ? given : "";
    size_t at = text.find('@'), colon = text.find(':');
    if (text.substr(0, at) != "kill" || colon == std::string::npos) return;
    point = text.substr(at + 1, colon - at - 1);
    char* rest = nullptr;
    left = std::strtol(text.c_str() + colon + 1, &rest, 10);
    if (*rest == '+') delay_us = std::strtol(rest + 1, nullptr, 10);
    armed = left > 0;
  }
};

void die_after(long delay_us) {
  if (delay_us == 0) kill(getpid(), SIGKILL);
  std::thread([delay_us] {
    std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
    kill(getpid(), SIGKILL);
  }).detach();
}

}  // namespace

void fault_point(std::string_view name) noexcept {
  static Fault fault;  // the environment of the process, read once
  if (!fault.armed || name != fault.point) return;
  if (fault.left.fetch_sub(1) == 1) die_after(fault.delay_us);
}

}  // namespace tailrace
