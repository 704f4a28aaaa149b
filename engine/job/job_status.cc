#include "job/job_status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/snapshot_stage.h"

namespace tailrace {
namespace {

using nlohmann::json;
constexpr std::pair<JobState, std::string_view> kNames[] = {
    {JobState::kCreated, "created"}, {JobState::kRunning, "running"}, {JobState::kRetrying, "retrying"}, {JobState::kPaused, "paused"},
    {JobState::kStopped, "stopped"}, {JobState::kDone, "done"},       {JobState::kFailed, "failed"}};

std::string error_json(const Status& status) {
  if (status.ok()) return "";
  const ErrorInfo& info = error_info(status.code());
  json out = {
      {"code", info.text}, {"message", info.message}, {"detail", status.detail()}, {"cause", info.cause}, {"solution", info.solution}};
  for (const auto& [key, value] : status.context()) out["context"][key] = value;
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Status error_from_json(const std::string& text) {
  json in = json::parse(text, nullptr, false);
  if (!in.is_object()) return {};
  const ErrorInfo* info = find_error(in.value("code", ""));
  Status status(info ? info->code : ErrorCode::kInternal, in.value("detail", ""));
  if (in.contains("context")) {
    for (const auto& [key, value] : in.at("context").items()) {
      if (value.is_string()) status = std::move(status).with(key, value.get<std::string>());
    }
  }
  return status;
}

}  // namespace

std::string_view job_state_name(JobState state) noexcept {
  for (const auto& [value, name] : kNames) {
    if (value == state) return name;
  }
  return "?";
}

void fill_from_pipeline(JobStatus& out, const PipelineStatus& pipeline, bool running) {
  out.phase = pipeline.phase;
  out.tables = pipeline.tables;
  out.idle = running && pipeline.idle;
  out.memory_peak = pipeline.memory_peak;
  if (pipeline.durable) {
    out.checkpoint = pipeline.durable->position;
    out.rows_durable = pipeline.durable->rows;
    out.snapshot_done = !SnapshotStage::is_open(pipeline.durable->snapshot_state);
    // A process that was killed right behind the copy has not said so of its tables.
    if (out.snapshot_done) {
      for (auto& [name, table] : out.tables) {
        if (table.state == "waiting" || table.state == "copying") table.state = "copied";
      }
    }
  }
  uint64_t read = 0;
  for (const auto& [name, table] : pipeline.tables) {
    out.rows_total += table.rows_total;
    read += table.rows_read;
  }
  if (running && pipeline.phase == "snapshot" && out.rate > 0 && out.rows_total > read) {
    out.eta_s = static_cast<double>(out.rows_total - read) / out.rate;
  }
  if (running && pipeline.idle) {
    out.lag_s = 0;
    if (pipeline.heartbeat_interval_us > 0 && pipeline.durable_commit_time_us > 0) {
      // From a commit at the source to its being durable here; longer once the next one is overdue.
      int64_t took = pipeline.durable_seen_us - pipeline.durable_commit_time_us;
      int64_t overdue = now_us() - pipeline.durable_commit_time_us - pipeline.heartbeat_interval_us;
      out.lag_s = std::max(0.0, static_cast<double>(std::max(took, overdue)) / 1e6);
    }
  } else if (running && pipeline.last_commit_time_us > 0) {
    out.lag_s = std::max(0.0, static_cast<double>(now_us() - pipeline.last_commit_time_us) / 1e6);
  }
}

std::string uncounted_text(uint64_t rows) {
  return fmt::format("{} rows are at the target, but in no counter of v1_table: the process was killed before it had counted them", rows);
}

void add_counts(TableProgress& later, const TableProgress& earlier) {
  if (!later.copied_anew) later.rows_read += earlier.rows_read;
  later.inserts += earlier.inserts;
  later.updates += earlier.updates;
  later.deletes += earlier.deletes;
  later.dropped += earlier.dropped;
  if (later.target.empty()) later.target = earlier.target;
  if (later.rows_total == 0) later.rows_total = earlier.rows_total;
  if (later.state.empty()) later.state = earlier.state;
}

TableProgress progress_of(const TableStat& stat) {
  TableProgress progress;
  progress.rows_total = stat.rows_total.value_or(0);
  progress.rows_read = stat.rows_done;
  progress.inserts = stat.inserts;
  progress.updates = stat.updates;
  progress.deletes = stat.deletes;
  progress.dropped = stat.dropped;
  progress.state = stat.state;
  progress.target = stat.target;
  return progress;
}

Result<std::vector<std::string>> lasting_warnings(JobFile& file, std::string_view rules_version) {
  const Cell codes[] = {std::string(kUnmatchedPattern), std::string(kUnloggedChange)};
  TAILRACE_TRY(auto found, file.query("SELECT text FROM v1_event WHERE code IN (?, ?) GROUP BY text ORDER BY min(id)", codes));
  std::vector<std::string> out;
  for (const auto& row : found.rows) {
    const std::string& text = std::get<std::string>(row[0]);
    // Those of rules that no longer hold tell nothing any more.
    if (text.rfind("rules ", 0) != 0 || text.rfind(fmt::format("rules {}:", rules_version), 0) == 0) out.push_back(text);
  }
  return out;
}

StatusRow to_status_row(const JobStatus& status, std::vector<TableStat>& tables) {
  StatusRow row;
  row.state = job_state_name(status.state);
  row.phase = status.phase;
  row.rows_done = status.rows_durable;
  if (status.rows_total) row.rows_total = status.rows_total;
  row.rows_per_s = status.rate;
  row.dropped = status.dropped_by_rules;
  row.lag_s = status.lag_s;
  row.eta_s = status.eta_s;
  row.position = status.checkpoint;
  row.rules = status.rules_version;
  row.warning = status.slow_rule;
  row.rows_uncounted = status.rows_uncounted;
  char host[256] = {};
  if (gethostname(host, sizeof host - 1) == 0) row.owner_host = host;
  if (!status.error.ok()) {
    row.error_code = error_info(status.error.code()).text;
    row.error_text = status.error.to_string();
    row.error_json = error_json(status.error);
  }
  for (const auto& [name, progress] : status.tables) {
    TableStat stat;
    size_t dot = name.find('.');
    stat.database = name.substr(0, dot);
    stat.table = dot == std::string::npos ? "" : name.substr(dot + 1);
    stat.state = progress.state.empty() ? "stream" : progress.state;
    stat.target = progress.target;
    stat.rows_done = progress.rows_read;
    if (progress.rows_total) stat.rows_total = progress.rows_total;
    stat.inserts = progress.inserts;
    stat.updates = progress.updates;
    stat.deletes = progress.deletes;
    stat.dropped = progress.dropped;
    tables.push_back(std::move(stat));
  }
  return row;
}

Result<JobStatus> read_job_status(const std::string& path) {
  TAILRACE_TRY(auto file, JobFile::open(path, JobFile::Mode::kRead));
  TAILRACE_TRY(auto job, file->read_job());
  TAILRACE_TRY(auto row, file->read_status());
  TAILRACE_TRY(auto tables, file->read_tables());
  JobStatus out;
  if (job) out.name = job->name;
  if (!row) return out;
  for (const auto& [state, name] : kNames) {
    if (name == row->state) out.state = state;
  }
  bool live = out.state == JobState::kRunning || out.state == JobState::kRetrying;
  if (live && JobFile::owner_of(path).empty()) {
    out.state = JobState::kStopped;
    out.warnings.push_back("its process ended without a stop; the checkpoint is safe, resume to go on");
  }
  out.phase = row->phase;
  out.rules_version = row->rules;
  out.rows_durable = row->rows_done;
  out.rows_total = row->rows_total.value_or(0);
  out.dropped_by_rules = row->dropped;
  out.checkpoint = row->position;
  if (live && out.warnings.empty()) {
    out.rate = row->rows_per_s;
    out.lag_s = row->lag_s;
    out.eta_s = row->eta_s;
  }
  if ((out.state == JobState::kRunning || out.state == JobState::kRetrying) && !row->warning.empty()) {
    out.slow_rule = row->warning;
    out.warnings.push_back(row->warning);
  }
  out.rows_uncounted = row->rows_uncounted;
  if (out.rows_uncounted) out.warnings.push_back(uncounted_text(out.rows_uncounted));
  TAILRACE_TRY(auto unmatched, lasting_warnings(*file, row->rules));
  out.warnings.insert(out.warnings.end(), unmatched.begin(), unmatched.end());
  if (!row->error_json.empty()) out.error = error_from_json(row->error_json);
  for (const TableStat& stat : tables) {
    out.tables[stat.database + "." + stat.table] = progress_of(stat);
  }
  return out;
}

Result<int64_t> post_job_command(const std::string& path, std::string_view verb, std::string_view arguments) {
  TAILRACE_TRY(auto file, JobFile::open(path, JobFile::Mode::kRead));
  if (JobFile::owner_of(path).empty()) {
    return Status(ErrorCode::kJobState, "no process runs this job, so nobody would carry the command out").with("job", path);
  }
  return file->post_command(verb, arguments, "pid " + std::to_string(getpid()));
}

}  // namespace tailrace
