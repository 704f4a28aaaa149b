#include "job/job.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "job/config_change.h"
#include "job/job_commands.h"
#include "job/job_impl.h"
#include "job/job_status.h"

namespace tailrace {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kProfileEvery = 4;  // turns of the service thread, a quarter of a second each

Status no_boundary() { return Status(ErrorCode::kJobTimeout, "no transaction boundary came in time; the rules stay as they were"); }

}  // namespace

void Job::Impl::show_status() {
  {
    std::lock_guard lock(mutex);
    only_looks_on = false;
  }
  write_status();
}

void Job::Impl::write_status() {
  {
    std::lock_guard lock(mutex);
    if (only_looks_on) return;
  }
  JobStatus now = status();
  {
    std::lock_guard lock(mutex);
    samples.emplace_back(Clock::now(), now.rows_done);
    while (samples.size() > 20) samples.pop_front();
  }
  std::vector<TableStat> tables;
  StatusRow row = to_status_row(now, tables);
  row.owner_pid = getpid();
  Status written = file->write_status(row, tables);
  if (!written.ok()) log(LogLevel::kWarn, written.to_string());
}

void Job::Impl::finish(int64_t command, const Status& done, const std::string& answer) {
  Status kept = file->finish_command(command, done.ok() ? answer : done.to_string(), !done.ok());
  if (!kept.ok()) log(LogLevel::kWarn, kept.to_string());
}

void Job::Impl::take_commands() {
  auto commands = file->poll_commands();
  if (!commands.ok()) return log(LogLevel::kWarn, commands.status().to_string());
  for (const CommandRow& command : *commands) {
    Status done;
    std::string answer = "ok";
    if (command.verb == "pause" || command.verb == "stop") {
      end(milliseconds(800), command.verb == "pause" ? JobState::kPaused : JobState::kStopped);
    } else if (command.verb == "resume") {
      done = begin();
    } else if (command.verb == "ddl") {
      auto decision = ddl_decision_from_json(command.args);
      done = decision.ok() ? decide_ddl(*decision) : decision.status();
    } else if (command.verb == "rules") {
      auto change = rule_change_from_json(command.args);
      auto asked = change.ok() ? ask_rules(*change) : Result<std::optional<RuleSwapAnswer>>(change.status());
      if (asked.ok() && !*asked) {
        rules_command = command.id;  // answered at a boundary
        rules_until = Clock::now() + change->timeout;
        continue;
      }
      done = asked.ok() ? Status() : asked.status();
      if (asked.ok()) answer = to_json(**asked);
    } else {
      done = Status(ErrorCode::kJobState, fmt::format("no such command: {}", command.verb));
    }
    finish(command.id, done, answer);
  }
}

void Job::Impl::service_loop(std::stop_token stop) {
  std::mutex sleep_mutex;
  std::condition_variable_any wake;
  for (uint64_t turn = 0; !stop.stop_requested(); ++turn) {
    settle_error();
    write_status();
    if (turn % kProfileEvery == kProfileEvery - 1) write_profile();
    take_commands();
    if (rules_command) {
      auto answer = rules_answer(milliseconds(0));
      if (!answer && Clock::now() >= rules_until && rule_swap.cancel()) answer = no_boundary();
      if (answer) {
        finish(*rules_command, answer->ok() ? Status() : answer->status(), answer->ok() ? to_json(**answer) : "");
        rules_command.reset();
      }
    }
    std::unique_lock lock(sleep_mutex);
    wake.wait_for(lock, stop, milliseconds(rules_command ? 20 : 250), [] { return false; });
  }
}

Status Job::Impl::decide_ddl(const DdlDecision& decision) {
  int64_t id = decision.id;
  if (to_stop) return Status(ErrorCode::kJobState, "the job is just coming to the statement; decide when it says paused");
  TAILRACE_TRY(auto held, file->held_ddl());
  if (id == 0) {
    if (held.empty()) return Status(ErrorCode::kJobState, "no statement is held, so there is nothing to decide").with("job", file->path());
    if (held.size() != 1) {
      return Status(ErrorCode::kJobState,
                    fmt::format("{} statements are held; name one by its number, as tailrace ddl list shows it", held.size()))
          .with("job", file->path());
    }
    id = held[0];
  }
  TAILRACE_OK(file->decide_ddl(id, decision.release ? DdlState::kReleased : DdlState::kSkipped));
  note("info", "", fmt::format("statement {} was {}", id, decision.release ? "released" : "skipped"));
  bool waits = false;
  {
    std::lock_guard lock(mutex);
    waits = state == JobState::kPaused && !error.ok() && error.code() == ErrorCode::kSchemaHeld;
  }
  return waits && held.size() == 1 ? begin() : Status();
}

// Sets `rule_swap` going; a job that stands still is answered at once.
Result<std::optional<RuleSwapAnswer>> Job::Impl::ask_rules(const RuleChange& change) {
  if (!job_rules->knows_sink()) {
    TAILRACE_TRY(EndpointConfig endpoint, resolved(config, false));
    std::unique_ptr<Serializer> serializer;
    TAILRACE_TRY(auto sink, factories.sink(endpoint, config.format, serializer));
    job_rules->set_sink(sink->caps());
  }
  TAILRACE_TRY(RuleSwapRequest request, job_rules->request(change));
  std::lock_guard one(control);  // nobody starts it meanwhile
  bool runs = false;
  {
    std::lock_guard lock(mutex);
    runs = state == JobState::kRunning || state == JobState::kRetrying;
  }
  if (!runs) {
    if (!change.at.empty())
      return Status(ErrorCode::kRuleSwap, "only a running job can be given rules for a place to come; start it first");
    TAILRACE_TRY(RuleSwapAnswer answer, job_rules->put_down(std::move(request)));
    return std::optional<RuleSwapAnswer>(std::move(answer));
  }
  TAILRACE_OK(rule_swap.ask(std::move(request)));
  return std::optional<RuleSwapAnswer>();
}

std::optional<Result<RuleSwapAnswer>> Job::Impl::rules_answer(milliseconds slice) {
  if (auto answer = rule_swap.wait(slice)) return answer;
  {
    std::lock_guard lock(mutex);
    if (state == JobState::kRunning || state == JobState::kRetrying) return std::nullopt;
  }
  // The run that would have done it is over, unless it did so at its end.
  if (auto answer = rule_swap.wait(milliseconds(0))) return answer;
  rule_swap.close();
  return Result<RuleSwapAnswer>(Status(ErrorCode::kJobAborted, "the job stopped before a boundary came; the rules stay as they were"));
}

Status Job::Impl::begin() {
  std::lock_guard one(control);
  {
    std::lock_guard lock(mutex);
    if (state == JobState::kRunning || state == JobState::kRetrying) {
      return Status(ErrorCode::kJobState, "the job is running already; pause or stop it first").with("job", file->path());
    }
    if (abandoned && !runner_is_over) {
      return Status(ErrorCode::kJobState,
                    "a function of the rules has not returned since the job was ended for it; end this process, then run the job again");
    }
    abandoned = false;
    runner_is_over = false;
    state = JobState::kRunning;
    only_looks_on = false;
    error = Status();
    attempts = 0;
    samples.clear();
  }
  runner.reset();  // joins one that has ended
  note("info", "", "started");
  runner.emplace([self = shared_from_this()](std::stop_token stop) {
    self->run_loop(stop);
    {
      std::lock_guard lock(self->mutex);
      self->runner_is_over = true;
    }
    self->changed.notify_all();
  });
  if (!watchdog) watchdog.emplace([this](std::stop_token stop) { watch_loop(stop); });
  return {};
}

void Job::Impl::end(milliseconds patience, JobState into) {
  std::lock_guard one(control);
  {
    std::lock_guard lock(mutex);
    stop_state = into;
    if (pipeline) pipeline->stop(patience);
    bool over = state == JobState::kDone || state == JobState::kFailed;
    if (!runner && !over) state = into;
    if (runner && (state == JobState::kStopped || state == JobState::kPaused)) state = into;
  }
  if (runner) {
    runner->request_stop();
    std::unique_lock lock(mutex);
    // One that hangs in a function of the rules cannot be joined; the watchdog tells.
    changed.wait(lock, [&] { return runner_is_over || abandoned; });
    bool is_over = runner_is_over;
    lock.unlock();
    if (is_over) runner.reset();
  }
  changed.notify_all();
}

Job::Job(std::unique_ptr<JobFile> file, JobConfig config, JobFactories factories) : impl_(std::make_shared<Impl>()) {
  impl_->file = std::move(file);
  impl_->config = std::move(config);
  impl_->factories = std::move(factories);
  impl_->job_rules.emplace(*impl_->file, impl_->config, impl_->factories);
}

// What earlier runs left behind; then the status is written, which must not lose it.
Status Job::Impl::take_up() {
  TAILRACE_TRY(auto tables, file->read_tables());
  TAILRACE_TRY(auto status, file->read_status());
  TAILRACE_TRY(auto profile, file->read_rule_profile());
  profile_before.take_up(std::move(profile));
  profile_written = profile_before;
  {
    std::lock_guard lock(mutex);
    if (status) {
      only_looks_on = true;
      rules_version = status->rules;
      dropped_before = status->dropped;
    }
    TAILRACE_TRY(durable_before, file->load());
    if (status) {
      counted_before = status->rows_done;
      rows_uncounted = uncounted_told = status->rows_uncounted;
      // Status and checkpoint are not kept in one: the newer of the two is what a status says until the sink is asked.
      if (durable_before && durable_before->rows > *counted_before) {
        rows_uncounted += durable_before->rows - *counted_before;
        counted_before = durable_before->rows;
      } else if (durable_before && durable_before->rows < *counted_before) {
        durable_before->rows = *counted_before;
        durable_before->position = status->position;
      }
    }
    TAILRACE_TRY(warnings, lasting_warnings(*file, rules_version));
    for (const TableStat& stat : tables) tables_before[stat.database + "." + stat.table] = progress_of(stat);
  }
  service.emplace([this](std::stop_token stop) { service_loop(stop); });
  return {};
}

Job::~Job() {
  impl_->service.reset();
  impl_->end(milliseconds(800), JobState::kStopped);
  impl_->watchdog.reset();
  impl_->write_profile();
  impl_->write_status();
  if (impl_->runner) impl_->runner->detach();  // it keeps what it works with, the job file too
}

Result<std::unique_ptr<Job>> Job::open(const std::string& path, std::string_view config_json,
                                       const std::map<std::string, std::string>& secrets, JobFactories factories) {
  std::string text(config_json);
  JobConfig config;
  if (!text.empty()) {
    TAILRACE_TRY(config, JobConfig::parse(text));
  }
  TAILRACE_TRY(auto file, JobFile::open(path, text.empty() ? JobFile::Mode::kOwn : JobFile::Mode::kCreate));
  if (text.empty()) {
    TAILRACE_TRY(auto row, file->read_job());
    if (!row) return Status(ErrorCode::kJobMissing, fmt::format("{} holds no configuration yet", path));
    TAILRACE_TRY(config, JobConfig::parse(row->config));
  }
  if (config.name.empty()) {
    size_t slash = path.rfind('/');
    config.name = path.substr(slash == std::string::npos ? 0 : slash + 1);
    if (size_t dot = config.name.rfind('.'); dot != std::string::npos && dot > 0) config.name.resize(dot);
  }
  auto sink_url = parse_url(config.sink.url);
  std::error_code ignored;
  if (sink_url.ok() && sink_url->scheme == "sqlite" &&
      std::filesystem::weakly_canonical(sink_url->host + sink_url->path, ignored) == std::filesystem::weakly_canonical(path, ignored)) {
    return Status(ErrorCode::kConfigBadValue, "sink.url: this is the job file; the copy needs a file of its own").with("file", path);
  }
  TAILRACE_TRY(auto known, file->read_job());
  // A configuration that cannot work is refused before it is kept: correcting it must not look like another job.
  for (const auto& [key, value] : secrets) config.secrets[key] = value;
  if (!known) {
    Parts made;
    JobRules rules(*file, config, factories);
    TAILRACE_OK(make_parts(config, factories, *file, rules, "", made));
  }
  TAILRACE_TRY(auto row,
               file->create_or_check_config(config.name, config.canonical, redact_url(config.sink.url), config_latitude(config, known)));
  (void)row;
  auto job = std::unique_ptr<Job>(new Job(std::move(file), std::move(config), std::move(factories)));
  TAILRACE_OK(job->impl_->take_up());
  return job;
}

Status Job::start() { return impl_->begin(); }
Status Job::stop(milliseconds patience) {
  impl_->end(patience, JobState::kStopped);
  impl_->show_status();
  return {};
}
Status Job::pause(milliseconds patience) {
  impl_->end(patience, JobState::kPaused);
  impl_->show_status();
  return {};
}
JobStatus Job::status() const { return impl_->status(); }
Result<RuleSwapAnswer> Job::swap_rules(const RuleChange& change) {
  TAILRACE_TRY(auto at_once, impl_->ask_rules(change));
  if (at_once) return std::move(*at_once);
  auto until = Clock::now() + change.timeout;
  for (;;) {
    if (auto answer = impl_->rules_answer(milliseconds(20))) return std::move(*answer);
    if (Clock::now() >= until && impl_->rule_swap.cancel()) return no_boundary();
  }
}
Status Job::decide_ddl(const DdlDecision& decision) { return impl_->decide_ddl(decision); }
JobFile& Job::file() { return *impl_->file; }
const JobConfig& Job::config() const { return impl_->config; }

Status Job::mark(Until until, const std::string& position) {
  Position target;
  if (until == Until::kPosition) target.text = position;
  if (until == Until::kCaughtUp) {
    TAILRACE_TRY(EndpointConfig endpoint, resolved(impl_->config, true));
    TAILRACE_TRY(TableFilter filter, TableFilter::parse(impl_->config.tables));
    TAILRACE_TRY(auto source, impl_->factories.source(endpoint, SourceContext{&filter, impl_->file.get()}));
    TAILRACE_TRY(target, source->current_position());
  }
  std::lock_guard lock(impl_->mutex);
  impl_->goal = until;
  impl_->goal_position = std::move(target);
  return {};
}

Result<bool> Job::wait(milliseconds slice) {
  auto until = Clock::now() + slice;
  std::unique_lock lock(impl_->mutex);
  while (true) {
    switch (impl_->state) {
      case JobState::kFailed: return impl_->error;
      case JobState::kPaused:
      case JobState::kStopped: return Status(ErrorCode::kJobAborted, std::string(job_state_name(impl_->state)));
      case JobState::kDone: return true;
      default: break;
    }
    if (impl_->pipeline && impl_->goal != Until::kEnd) {
      auto current = impl_->pipeline;
      // The parts behind the pipeline live while impl_->pipeline is set, and the lock keeps it set.
      if (impl_->goal == Until::kSnapshot ? current->snapshot_durable() : current->reached(impl_->goal_position)) return true;
    }
    if (Clock::now() >= until) return false;
    impl_->changed.wait_for(lock, milliseconds(10));
  }
}

}  // namespace tailrace
