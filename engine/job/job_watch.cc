// Looking on while the rules of a job work: functions that do not return, and what each table costs.
#include <fmt/format.h>

#include <algorithm>

#include "job/hook_watch.h"
#include "job/job_impl.h"

namespace tailrace {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{100};
constexpr size_t kProfiledTables = 2000;  // of one version; the others are summed

std::string describe(const HookPlace& place) { return place.table.empty() ? place.hook : fmt::format("{} of {}", place.hook, place.table); }

void add(RuleProfileRow& row, const TableRuleCounts& counts) {
  if (!counts.hook.empty()) row.hook = counts.hook;
  row.in += counts.in;
  row.out += counts.out;
  row.dropped_ops += counts.dropped_ops;
  row.dropped_where += counts.dropped_where;
  row.dropped_row += counts.dropped_row;
  row.dropped_map += counts.dropped_map;
  row.errors += counts.errors;
  row.timed_events += counts.hook_events;
  row.timed_ns += counts.hook_ns;
  row.serialize_events += counts.serialize_events;
  row.serialize_ns += counts.serialize_ns;
}

}  // namespace

void RuleProfile::add_run(const std::vector<RuleTimeline::VersionCounts>& counts) {
  for (const auto& [version, tables] : counts) {
    Tables& known = versions_[version];
    for (const TableRuleCounts& one : tables) {
      if (one == TableRuleCounts{one.table, one.hook}) continue;
      bool has_room = known.size() < kProfiledTables || known.contains(one.table);
      const std::string& name = has_room ? one.table : kOthers;
      RuleProfileRow& row = known[name];
      row.version = version;
      row.table = name;
      add(row, one);
    }
  }
}

void RuleProfile::take_up(std::vector<RuleProfileRow> rows) {
  for (RuleProfileRow& row : rows) {
    RuleProfileRow& place = versions_[row.version][row.table];
    place = std::move(row);
  }
}

std::vector<RuleProfileRow> RuleProfile::changes(const RuleProfile& written) const {
  std::vector<RuleProfileRow> out;
  for (const auto& [version, tables] : versions_) {
    auto before = written.versions_.find(version);
    for (const auto& [name, row] : tables) {
      if (before != written.versions_.end()) {
        auto found = before->second.find(name);
        if (found != before->second.end() && found->second == row) continue;
      }
      out.push_back(row);
    }
  }
  return out;
}

void Job::Impl::write_profile() {
  std::lock_guard one(profile_mutex);
  RuleProfile now;
  {
    std::lock_guard lock(mutex);
    now = profile_before;
    if (rules) now.add_run(rules->counts());
  }
  Status written = file->write_rule_profile(now.changes(profile_written));
  if (!written.ok()) return log(LogLevel::kWarn, written.to_string());
  profile_written = std::move(now);
}

void Job::Impl::watch_loop(std::stop_token stop) {
  const milliseconds tell{config.rules.batch_ms}, limit{config.rules.batch_limit_ms};
  HookWatch watch;
  bool told = false;
  std::mutex sleep_mutex;
  std::condition_variable_any wake;
  while (!stop.stop_requested()) {
    std::optional<HookPlace> place;
    std::string version;
    {
      std::lock_guard lock(mutex);
      if (rules && !abandoned) {
        place = rules->place();
        version = rules->version();
      }
    }
    milliseconds took = watch.look(place, Clock::now());
    bool is_slow = tell.count() > 0 && took >= tell;
    if (is_slow != told)
      tell_slow(is_slow ? fmt::format("rules {}: {} has not returned for {} ms or more", version, describe(*place), tell.count()) : "");
    told = is_slow;
    if (limit.count() > 0 && took >= limit) give_up(*place, version, took);
    std::unique_lock lock(sleep_mutex);
    wake.wait_for(lock, stop, kLook, [] { return false; });
  }
}

void Job::Impl::tell_slow(const std::string& text) {
  {
    std::lock_guard lock(mutex);
    slow_hook = text;
  }
  if (text.empty()) return;
  log(LogLevel::kWarn, text);
  note("warn", "slow-rule", text);
}

// The thread is inside of compiled code, and nothing brings it back. The job is over for everybody else: what the function makes
// should it ever return is thrown away (RuleStage::give_up), and until then the job file stays with this process.
void Job::Impl::give_up(const HookPlace& place, const std::string& version, milliseconds took) {
  Status why(ErrorCode::kRuleBudget,
             fmt::format("{} has not returned for {:.1f} s (rules.batch_limit_ms = {}): does a loop in it end? Nothing of the batch was "
                         "delivered; correct the rules, end this process if it still runs, then resume",
                         describe(place), static_cast<double>(took.count()) / 1000, config.rules.batch_limit_ms));
  why = std::move(why).with("rule", version).with("hook", place.hook);
  if (!place.table.empty()) why = std::move(why).with("table", place.table);
  {
    std::lock_guard lock(mutex);
    if (state != JobState::kRunning && state != JobState::kRetrying) return;
    if (!rules || rules->place() != place) return;  // it came back after all
    rules->give_up();
    abandoned = true;
    state = JobState::kFailed;
    error = why;
    slow_hook.clear();
    if (pipeline) pipeline->stop(milliseconds(0));
  }
  changed.notify_all();
  log(LogLevel::kError, why.to_string());
  note("error", error_info(why.code()).text, why.to_string());
  write_profile();
  write_status();
}

}  // namespace tailrace
