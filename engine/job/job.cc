#include "job/job.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "job/job_commands.h"
#include "job/job_rules.h"
#include "job/job_status.h"

namespace tailrace {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kFirstBackoff{200}, kLastBackoff{15000};
// A job that never got its parts open gives up after this: a wrong address should be an answer, not a wait.
constexpr milliseconds kConnectPatience{10000};

// An endpoint with its references resolved and its secret put back.
Result<EndpointConfig> resolved(const JobConfig& config, bool is_source) {
  EndpointConfig endpoint = is_source ? config.source : config.sink;
  for (auto& [key, value] : endpoint.options) {
    TAILRACE_TRY(value, resolve_references(value));
  }
  auto secret = config.secrets.find(is_source ? "source.password" : "sink.password");
  if (secret != config.secrets.end()) endpoint.options["password"] = secret->second;
  return endpoint;
}

// Where the source is may change: a position tells which server it is of, and the source checks that the one named now
// can go on from it. What kind of source it is may not.
std::vector<std::string> movable(const JobConfig& config, const std::optional<JobRow>& known) {
  if (!known) return {};
  auto before = JobConfig::parse(known->config);
  auto server = [](const std::string& url) { return url.rfind("mysql://", 0) == 0 || url.rfind("mariadb://", 0) == 0; };
  if (!before.ok() || !server(before->source.url) || !server(config.source.url)) return {};
  return {"/source/url", "/source/socket", "/source/tls", "/source/tls_ca", "/source/password"};
}

Status no_boundary() {
  return Status(ErrorCode::kJobTimeout, "no transaction boundary came in time; the rules stay as they were");
}

// What one run is made of. Later members refer to earlier ones, so it stays where it is.
struct Parts {
  TableFilter filter;
  std::shared_ptr<Acknowledgements> acks = std::make_shared<Acknowledgements>();   // outlives the sink
  std::unique_ptr<Source> source;
  std::unique_ptr<Serializer> serializer;
  std::unique_ptr<Sink> sink;
  std::unique_ptr<RuleTimeline> rules;
};

// Makes the parts without opening any.
Status make_parts(const JobConfig& config, const JobFactories& factories, JobFile& file, JobRules& rules,
                  const std::string& rules_version, Parts& out) {
  TAILRACE_TRY(EndpointConfig source, resolved(config, true));
  TAILRACE_TRY(EndpointConfig sink, resolved(config, false));
  TAILRACE_TRY(out.filter, TableFilter::parse(config.tables));
  TAILRACE_TRY(out.source, factories.source(source, SourceContext{&out.filter, &file, config.pipeline.spill_dir, config.pipeline.stream,
                                                                      config.pipeline.quarantine ? &file : nullptr}));
  TAILRACE_TRY(out.sink, factories.sink(sink, config.format, out.serializer));
  TAILRACE_TRY(out.rules, rules.timeline(out.sink->caps(), rules_version));
  return {};
}

}  // namespace

struct Job::Impl {
  std::unique_ptr<JobFile> file;
  JobConfig config;
  JobFactories factories;
  std::optional<JobRules> job_rules;    // over the three above
  RuleSwap rule_swap;
  std::atomic<bool> to_held{false};     // this run goes to a held statement, a transaction at a time
  Clock::time_point rules_until;        // when rules_command is given up
  std::optional<int64_t> rules_command; // waits for a boundary; service thread only

  mutable std::mutex mutex;             // guards everything below
  std::condition_variable_any changed;
  JobState state = JobState::kCreated;
  JobState stop_state = JobState::kStopped;   // what an asked-for stop ends in
  Status error;
  int attempts = 0;
  std::string rules_version;
  std::shared_ptr<Pipeline> pipeline;   // of the current run; while it is set its parts are there
  RuleTimeline* rules = nullptr;        // valid while pipeline is set
  uint64_t rows_before = 0;             // events of earlier runs in this process
  uint64_t dropped_before = 0;
  PipelineStatus last;                  // of the run that ended
  std::map<std::string, TableProgress> tables_before;   // counted by earlier runs, of this process or another
  std::deque<std::pair<Clock::time_point, uint64_t>> samples;
  Until goal = Until::kEnd;
  Position goal_position;

  std::mutex control;                   // one start, stop or pause at a time
  std::optional<std::jthread> runner;
  std::optional<std::jthread> service;  // writes the status, takes commands

  JobStatus status() const;
  void run_loop(std::stop_token stop);
  Status run_once(std::stop_token stop, bool by_transactions, bool& got_open, bool& progressed, bool& again);
  void service_loop(std::stop_token stop);
  void write_status();
  void take_commands();
  void finish(int64_t command, const Status& done, const std::string& answer);
  Status decide_ddl(const DdlDecision& decision);
  Result<std::optional<RuleSwapAnswer>> ask_rules(const RuleChange& change);
  std::optional<Result<RuleSwapAnswer>> rules_answer(milliseconds slice);
  Status begin();
  void end(milliseconds patience, JobState into);
  void note(std::string_view level, std::string_view code, const std::string& text) {
    Status added = file->add_event(level, code, text);
    if (!added.ok()) log(LogLevel::kWarn, added.to_string());
  }
};

Status Job::Impl::run_once(std::stop_token stop, bool by_transactions, bool& got_open, bool& progressed, bool& again) {
  Parts made;
  std::string rules_were;
  {
    std::lock_guard lock(mutex);
    rules_were = rules_version;
  }
  TAILRACE_OK(make_parts(config, factories, *file, *job_rules, rules_were, made));
  PipelineParts parts{made.source.get(), made.rules.get(), made.sink.get(), made.acks, file.get(), &made.filter, std::nullopt, nullptr, &rule_swap};
  if (!config.start.empty() && config.start != "now") parts.start = Position{"", config.start};
  parts.on_started = [this] { return file->mark_started(); };

  TAILRACE_TRY(auto job, file->read_job());
  SinkContext sink_context{job ? job->id : "", job && job->started_us, made.serializer.get()};
  PipelineOptions options = config.pipeline;
  if (by_transactions) {
    options.batch_bytes = 0;   // a batch per transaction
    parts.swap = nullptr;
  }
  auto current = std::make_shared<Pipeline>(options, parts);
  {
    std::lock_guard lock(mutex);
    pipeline = current;
    rules = made.rules.get();
  }
  // The pipeline's stop must win over a start that is still opening things.
  std::stop_callback on_stop(stop, [&] { current->stop(milliseconds(800)); });
  Status status = current->run(sink_context);
  PipelineStatus ended = current->status();
  got_open = got_open || ended.was_open;
  progressed = ended.durable_rows > 0;
  again = ended.again;
  {
    std::lock_guard lock(mutex);
    rows_before += ended.events;
    dropped_before += made.rules->dropped();
    if (std::string version = made.rules->version(); !version.empty() || ended.was_open) rules_version = version;
    for (auto& [name, table] : ended.tables) {
      add_counts(table, tables_before[name]);
      tables_before[name] = table;
    }
    ended.tables.clear();
    last = ended;
    pipeline.reset();
    rules = nullptr;
  }
  return status;
}

void Job::Impl::run_loop(std::stop_token stop) {
  milliseconds backoff = kFirstBackoff;
  bool got_open = false;
  auto began = Clock::now();
  to_held = false;
  while (true) {
    bool progressed = false, again = false;
    Status status = run_once(stop, to_held, got_open, progressed, again);
    if (progressed) backoff = kFirstBackoff;
    std::unique_lock lock(mutex);
    bool stopping = stop.stop_requested();
    if (again && !stopping) continue;
    // The transactions before a held statement came in one batch with it. Once more, one by one, and they are delivered.
    to_held = !status.ok() && status.code() == ErrorCode::kSchemaHeld && !to_held;
    if (to_held && !stopping) continue;
    if (stopping && (status.ok() || status.retry() == Retry::kTransient)) {
      state = stop_state;
      error = Status();
    } else if (status.ok()) {
      state = JobState::kDone;
      error = Status();
    } else if (status.retry() == Retry::kTransient && (got_open || Clock::now() - began < kConnectPatience)) {
      state = JobState::kRetrying;
      attempts = progressed ? 1 : attempts + 1;
      error = status;
      lock.unlock();
      note("warn", error_info(status.code()).text, status.to_string());
      log(LogLevel::kWarn, fmt::format("{}; trying again in {} ms", status.to_string(), backoff.count()));
      lock.lock();
      changed.notify_all();
      changed.wait_for(lock, stop, backoff, [] { return false; });
      if (stop.stop_requested()) {
        state = stop_state;
        error = Status();
      } else {
        backoff = std::min(backoff * 2, kLastBackoff);
        state = JobState::kRunning;
        continue;
      }
    } else {
      // A held statement is no failure: a person decides, and the job goes on.
      state = status.code() == ErrorCode::kSchemaHeld ? JobState::kPaused : JobState::kFailed;
      error = status;
    }
    changed.notify_all();
    std::string text = error.ok() ? std::string(job_state_name(state)) : error.to_string();
    std::string_view code = error.ok() ? "" : error_info(error.code()).text;
    std::string_view level = error.ok() ? "info" : state == JobState::kPaused ? "warn" : "error";
    lock.unlock();
    note(level, code, text);
    write_status();
    return;
  }
}

JobStatus Job::Impl::status() const {
  JobStatus out;
  std::shared_ptr<Pipeline> current;
  std::map<std::string, TableProgress> before;
  PipelineStatus p;
  {
    std::lock_guard lock(mutex);
    out.state = state;
    out.name = config.name;
    out.error = error;
    out.attempts = attempts;
    out.rules_version = rules_version;
    out.rows_done = rows_before;
    out.dropped_by_rules = dropped_before;
    before = tables_before;
    current = pipeline;
    p = last;
    if (rules) {
      out.dropped_by_rules += rules->dropped();
      if (std::string version = rules->version(); !version.empty()) out.rules_version = version;
    }
    if (samples.size() >= 2) {
      double seconds = std::chrono::duration<double>(samples.back().first - samples.front().first).count();
      if (seconds > 0) out.rate = static_cast<double>(samples.back().second - samples.front().second) / seconds;
    }
  }
  if (current) {
    p = current->status();
    out.rows_done += p.events;
  }
  fill_from_pipeline(out, p, current != nullptr);
  for (const auto& [name, table] : before) add_counts(out.tables[name], table);
  return out;
}

void Job::Impl::write_status() {
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
        rules_command = command.id;   // answered at a boundary
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
  while (!stop.stop_requested()) {
    write_status();
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
  if (to_held) return Status(ErrorCode::kJobState, "the job is just coming to the statement; decide when it says paused");
  TAILRACE_TRY(auto held, file->held_ddl());
  if (id == 0) {
    if (held.size() != 1) return Status(ErrorCode::kJobState, fmt::format("{} statements are held; name one by its number", held.size()));
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
  std::lock_guard one(control);   // nobody starts it meanwhile
  bool runs = false;
  {
    std::lock_guard lock(mutex);
    runs = state == JobState::kRunning || state == JobState::kRetrying;
  }
  if (!runs) {
    if (!change.at.empty()) return Status(ErrorCode::kRuleSwap, "only a running job can be given rules for a place to come; start it first");
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
      return Status(ErrorCode::kJobState, "the job is running already");
    }
    state = JobState::kRunning;
    error = Status();
    attempts = 0;
    samples.clear();
  }
  runner.reset();  // joins one that has ended
  note("info", "", "started");
  runner.emplace([this](std::stop_token stop) { run_loop(stop); });
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
    runner.reset();
  }
  changed.notify_all();
}

Job::Job(std::unique_ptr<JobFile> file, JobConfig config, JobFactories factories)
    : impl_(std::make_unique<Impl>()) {
  impl_->file = std::move(file);
  impl_->config = std::move(config);
  impl_->factories = std::move(factories);
  impl_->job_rules.emplace(*impl_->file, impl_->config, impl_->factories);
  impl_->service.emplace([this](std::stop_token stop) { impl_->service_loop(stop); });
}

Job::~Job() {
  impl_->service.reset();
  impl_->end(milliseconds(800), JobState::kStopped);
  impl_->write_status();
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
  TAILRACE_TRY(auto row, file->create_or_check_config(config.name, config.canonical, redact_url(config.sink.url), movable(config, known)));
  (void)row;
  TAILRACE_TRY(auto tables, file->read_tables());
  TAILRACE_TRY(auto status, file->read_status());
  auto job = std::unique_ptr<Job>(new Job(std::move(file), std::move(config), std::move(factories)));
  std::lock_guard lock(job->impl_->mutex);
  if (status) job->impl_->rules_version = status->rules;
  for (const TableStat& stat : tables) job->impl_->tables_before[stat.database + "." + stat.table] = progress_of(stat);
  return job;
}

Status Job::start() { return impl_->begin(); }
Status Job::stop(milliseconds patience) {
  impl_->end(patience, JobState::kStopped);
  impl_->write_status();
  return {};
}
Status Job::pause(milliseconds patience) {
  impl_->end(patience, JobState::kPaused);
  impl_->write_status();
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
