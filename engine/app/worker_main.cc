// tailrace-worker: runs one job without Python.
//   tailrace-worker JOB.db [CONFIG.json] [--until caught_up|snapshot|end|forever]
// Prints one JSON line at the end. SIGTERM and SIGINT drain. Exit: 0 ok, 1 internal, 2 configuration, 5 transient,
// 6 needs an operator, 7 owned by another process, 130 stopped by a signal.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "app/wire.h"
#include "base/log.h"

namespace {

using namespace tailrace;
volatile sig_atomic_t stop_requested = 0;
void on_signal(int) { stop_requested = 1; }

int exit_code(const Status& status) {
  if (status.ok()) return 0;
  if (status.code() == ErrorCode::kJobOwned) return 7;
  if (error_info(status.code()).text.substr(0, 3) == "CFG") return 2;
  switch (status.retry()) {
    case Retry::kTransient: return 5;
    case Retry::kOperator: return 6;
    case Retry::kNever: return 1;
  }
  return 1;
}

int fail(const Status& status) {
  std::fprintf(stderr, "%s\n", status.to_string().c_str());
  const ErrorInfo& info = error_info(status.code());
  std::fprintf(stderr, "cause:    %s\nsolution: %s\n", info.cause.data(), info.solution.data());
  return exit_code(status);
}

Status run(Job& job, const std::string& until) {
  TAILRACE_OK(job.start());
  Status goal;
  bool marked = until == "forever" || until == "end";
  while (true) {
    if (!marked) {
      goal = job.mark(until == "snapshot" ? Job::Until::kSnapshot : Job::Until::kCaughtUp);
      marked = goal.ok();
      if (!goal.ok() && goal.retry() != Retry::kTransient) return goal;
    }
    auto waited = job.wait(std::chrono::milliseconds(100));
    if (!waited.ok()) {
      // A statement is held: whoever decides about it finds the job here.
      Status why = job.status().error;
      if (stop_requested || why.ok() || why.code() != ErrorCode::kSchemaHeld) return std::move(waited).status();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    bool reached = waited.ok() && *waited;
    if (reached && marked) return job.stop(std::chrono::milliseconds(10000));
    if (stop_requested) {
      TAILRACE_OK(job.stop(std::chrono::milliseconds(800)));
      return Status(ErrorCode::kJobAborted, "stopped by a signal");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string job_path, config_path, until = "forever";
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--until" && i + 1 < argc) {
      until = argv[++i];
    } else if (argument == "--help" || argument.substr(0, 1) == "-") {
      std::puts("usage: tailrace-worker JOB.db [CONFIG.json] [--until caught_up|snapshot|end|forever]");
      return argument == "--help" ? 0 : 2;
    } else if (job_path.empty()) {
      job_path = argument;
    } else {
      config_path = argument;
    }
  }
  if (job_path.empty() || (until != "caught_up" && until != "snapshot" && until != "end" && until != "forever")) {
    std::fputs("usage: tailrace-worker JOB.db [CONFIG.json] [--until caught_up|snapshot|end|forever]\n", stderr);
    return 2;
  }
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  set_log_sink([](LogLevel, std::string_view message) { std::cerr << message << '\n'; });

  std::string config;
  if (!config_path.empty()) {
    std::ifstream in(config_path);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) return fail(Status(ErrorCode::kConfigSyntax, config_path + " cannot be read"));
    config = text.str();
  }
  auto job = Job::open(job_path, config, {}, make_factories());
  if (!job.ok()) return fail(job.status());
  Status status = run(**job, until);
  JobStatus end = (*job)->status();
  nlohmann::json line = {{"state", job_state_name(end.state)}, {"rows", end.rows_done},           {"rows_durable", end.rows_durable},
                         {"position", end.checkpoint.text},    {"dropped", end.dropped_by_rules}, {"memory_peak", end.memory_peak}};
  if (!status.ok()) line["error"] = status.to_string();
  std::cout << line.dump() << std::endl;
  bool by_signal = stop_requested && !status.ok() && status.code() == ErrorCode::kJobAborted;
  job->reset();
  if (by_signal) return 130;
  return status.ok() ? 0 : fail(status);
}
