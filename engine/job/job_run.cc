// A job's runs: making the parts, running them, trying again, and what there is to tell of it.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "job/job_impl.h"
#include "job/job_status.h"
#include "rule/dead_letter.h"

namespace tailrace {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstBackoff{200}, kLastBackoff{15000};
// A job that never got its parts open gives up after this: a wrong address should be an answer, not a wait.
constexpr milliseconds kConnectPatience{10000};

}  // namespace

Result<EndpointConfig> resolved(const JobConfig& config, bool is_source) {
  EndpointConfig endpoint = is_source ? config.source : config.sink;
  for (auto& [key, value] : endpoint.options) {
    TAILRACE_TRY(value, resolve_references(value));
  }
  auto secret = config.secrets.find(is_source ? "source.password" : "sink.password");
  if (secret != config.secrets.end()) endpoint.options["password"] = secret->second;
  return endpoint;
}

Status make_parts(const JobConfig& config, const JobFactories& factories, JobFile& file, JobRules& rules, const std::string& rules_version,
                  Parts& out, std::function<void(const std::string&)> tell) {
  TAILRACE_TRY(EndpointConfig source, resolved(config, true));
  TAILRACE_TRY(EndpointConfig sink, resolved(config, false));
  TAILRACE_TRY(out.filter, TableFilter::parse(config.tables));
  TAILRACE_TRY(out.source, factories.source(source, SourceContext{&out.filter, &file, config.pipeline.spill_dir, config.pipeline.stream,
                                                                  config.pipeline.quarantine ? &file : nullptr, std::move(tell),
                                                                  config.pipeline.snapshot}));
  TAILRACE_TRY(out.sink, factories.sink(sink, config.format, out.serializer));
  TAILRACE_TRY(out.rules, rules.timeline(out.sink->caps(), rules_version));
  return {};
}

// What goes wrong without a failure is told where people look: a misspelt pattern copies nothing, or leaves a column unmasked; a
// foreign key changes rows that the log does not show.
void Job::Impl::look_at(const FoundTables& source) {
  for (const std::string& pattern : config.tables) {
    if (pattern.rfind('!', 0) == 0) continue;
    auto alone = TableFilter::parse(std::span(&pattern, 1));
    bool matches = alone.ok() && std::any_of(source.tables.begin(), source.tables.end(),
                                             [&](const SchemaRef& table) { return alone->matches(table->database, table->table); });
    if (!matches) {
      warn(kUnmatchedPattern, fmt::format("tables: \"{}\" matched no table of the source when the job began: is it misspelt?", pattern));
    }
  }
  std::string version;
  {
    std::lock_guard lock(mutex);
    if (rules) version = rules->version();
  }
  for (const std::string& pattern : source.unmatched_rules) {
    warn(kUnmatchedPattern, fmt::format("rules {}: tables[\"{}\"] matched no table of the job when it began: is it misspelt, or left out "
                                        "by `tables`?",
                                        version, pattern));
  }
  for (const std::string& change : source.unlogged) warn(kUnloggedChange, change);
}

// Once each, however often the job begins.
void Job::Impl::warn(std::string_view code, const std::string& text) {
  {
    std::lock_guard lock(mutex);
    if (std::find(warnings.begin(), warnings.end(), text) != warnings.end()) return;
    warnings.push_back(text);
  }
  log(LogLevel::kWarn, text);
  note("warn", code, text);
}

void Job::Impl::note_uncounted(const Checkpoint& resumed) {
  uint64_t missing = 0;
  {
    std::lock_guard lock(mutex);
    if (!counted_before) return;
    if (resumed.rows > *counted_before) rows_uncounted += resumed.rows - *counted_before;
    counted_before.reset();  // from here on this process counts
    missing = rows_uncounted - std::exchange(uncounted_told, rows_uncounted);
  }
  if (missing) note("warn", "uncounted", uncounted_text(missing));
}

void Job::Impl::settle_error() {
  std::shared_ptr<Pipeline> current;
  {
    std::lock_guard lock(mutex);
    if (state != JobState::kRunning || error.ok() || !pipeline) return;
    current = pipeline;
  }
  PipelineStatus now = current->status();
  if (now.durable_rows == 0 && !now.idle) return;
  std::lock_guard lock(mutex);
  if (state != JobState::kRunning || pipeline != current) return;
  error = Status();
  attempts = 0;
}

Status Job::Impl::run_once(std::stop_token stop, bool by_transactions, bool& got_open, Run& run) {
  Parts made;
  std::string rules_were;
  {
    std::lock_guard lock(mutex);
    rules_were = rules_version;
  }
  auto tell = [this](const std::string& text) { warn(kUnloggedChange, text); };
  TAILRACE_OK(make_parts(config, factories, *file, *job_rules, rules_were, made, tell));
  PipelineParts parts{made.source.get(), made.rules.get(), made.sink.get(), made.acks, file.get(),
                      &made.filter,      std::nullopt,     nullptr,         &rule_swap};
  if (!config.start.empty() && config.start != "now") parts.start = Position{"", config.start};
  parts.rule_state = file.get();
  parts.on_started = [this] {
    TAILRACE_OK(file->mark_started());
    write_status();  // all tables, before the first row: a kill must not leave them unknown
    return Status();
  };
  parts.on_resumed = [this](const Checkpoint& from) { note_uncounted(from); };
  parts.on_tables = [this](const FoundTables& found) { look_at(found); };

  TAILRACE_TRY(auto job, file->read_job());
  SinkContext sink_context{job ? job->id : "", job && job->started_us, made.serializer.get()};
  sink_context.set_aside = [this](const Status& why, const EventBatch& batch, const ChangeEvent& event) {
    auto id = file->add(make_dead_letter(why, batch, event));
    return id.ok() ? Status() : std::move(id).status().caused_by(why);
  };
  PipelineOptions options = config.pipeline;
  if (by_transactions) {
    options.batch_bytes = 0;  // a batch per transaction
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
  run = {ended.durable_rows > 0, ended.again, ended.undecodable};
  {
    std::lock_guard lock(mutex);
    rows_before += ended.events;
    dropped_before += ended.dropped_by_rules;
    if (ended.durable) durable_before = ended.durable;
    if (std::string version = made.rules->version(); !version.empty() || ended.was_open) rules_version = version;
    for (auto& [name, table] : ended.tables) {
      add_counts(table, tables_before[name]);
      tables_before[name] = table;
    }
    ended.tables.clear();
    ended.dropped_by_rules = 0;
    profile_before.add_run(made.rules->counts());
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
  to_stop = false;
  while (true) {
    Run run;
    Status status = run_once(stop, to_stop, got_open, run);
    if (run.progressed) backoff = kFirstBackoff;
    std::unique_lock lock(mutex);
    if (abandoned) return;  // it has been told what became of the job
    bool stopping = stop.stop_requested();
    if (run.again && !stopping) continue;
    // The transactions before a statement that stops the job, or a value that cannot be decoded, came in one batch with it. Once
    // more, one by one, and they are delivered, by the rules that held for them.
    to_stop = !status.ok() && (is_at_statement(status) || run.undecodable) && !to_stop;
    if (to_stop && !stopping) continue;
    if (stopping && (status.ok() || status.retry() == Retry::kTransient)) {
      state = stop_state;
      error = Status();
    } else if (status.ok()) {
      state = JobState::kDone;
      error = Status();
    } else if (status.retry() == Retry::kTransient && (got_open || Clock::now() - began < kConnectPatience)) {
      state = JobState::kRetrying;
      attempts = run.progressed ? 1 : attempts + 1;
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
      bool gave_up = state == JobState::kFailed && status.retry() == Retry::kTransient;
      error = std::move(status);
      if (state == JobState::kPaused) error = std::move(error).with("job", file->path());
      // Others of its kind are tried again; this one is an answer to a start.
      if (gave_up) error = std::move(error).with("gave up", "the start did not succeed within 10 s");
    }
    changed.notify_all();
    std::string text = error.ok() ? std::string(job_state_name(state)) : error.to_string();
    std::string_view code = error.ok() ? "" : error_info(error.code()).text;
    std::string_view level = error.ok() ? "info" : state == JobState::kPaused ? "warn" : "error";
    lock.unlock();
    note(level, code, text);
    write_profile();
    write_status();
    return;
  }
}

JobStatus Job::Impl::status() const {
  JobStatus out;
  std::shared_ptr<Pipeline> current;
  std::map<std::string, TableProgress> before;
  std::optional<Checkpoint> durable;
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
    out.warnings = warnings;
    out.rows_uncounted = rows_uncounted;
    if (rows_uncounted) out.warnings.push_back(uncounted_text(rows_uncounted));
    out.slow_rule = slow_hook;
    if (!slow_hook.empty()) out.warnings.push_back(slow_hook);
    before = tables_before;
    durable = durable_before;
    current = pipeline;
    p = last;
    if (rules) {
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
  // A run that has not come as far as its checkpoint, as one that never got its source open, tells nothing of what was there.
  if (!p.durable) p.durable = std::move(durable);
  out.dropped_by_rules += p.dropped_by_rules;
  for (const auto& [name, table] : before) add_counts(p.tables[name], table);
  fill_from_pipeline(out, p, current != nullptr);
  return out;
}

}  // namespace tailrace
