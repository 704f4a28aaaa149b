// wire: the only place that knows every source, sink, format and rule engine of this build.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "job/job.h"
#include "rulekit/rule_kit.h"

namespace tailrace {

JobFactories make_factories();
JobFactories make_factories(const RuleKit& one_file);  // rules are files that it knows, and chains of them
// Rule files for the tools that need no job.
RuleKit make_rule_kit();
RuleKit lua_rules();  // of single files
// The tables of a job as its file knows them last.
Result<std::vector<SchemaRef>> job_schemas(const std::string& path);

struct PluginDoc {
  std::string kind, name, doc;  // "source" | "sink" | "format"
  std::vector<OptionSpec> options;
};
std::vector<PluginDoc> list_plugins();

// Checks one endpoint as `tailrace doctor` does: connects, and lists what is right and wrong with it.
struct CheckItem {
  std::string name, detail;  // "login", "mig@db1:3306 TLS 1.3"
  Status status;             // ok, or the error with its solution
  bool is_doubtful = false;  // no error, but worth a look
};
std::vector<CheckItem> check_source(const EndpointConfig& endpoint);
// What a run of this configuration would need: every host, the tables, the rules over them, the sink. Nothing is written, at
// the source or at the sink.
std::vector<CheckItem> check_job(std::string_view config_json, const std::map<std::string, std::string>& secrets);

// Reads a source without a job: the low-level stream of Python and of embedding programs. One consumer thread.
class StreamReader {
 public:
  virtual ~StreamReader() = default;
  // The next batch, after the rules; null = nothing came within `timeout`. Ends with JOB-0007 after interrupt().
  virtual Result<std::unique_ptr<EventBatch>> next(std::chrono::milliseconds timeout) = 0;
  virtual bool ended() const = 0;                       // a file source has no more
  virtual void interrupt() noexcept = 0;                // any thread
  virtual Position position() const = 0;                // after the last batch handed out
  virtual Status commit(const Position& position) = 0;  // kept in the job file, if there is one; a restart begins there
};
struct StreamConfig {
  EndpointConfig source;
  std::vector<std::string> tables{"*.*"};
  RuleOptions rules;
  bool is_raw = false;   // no rule stage: events as the source has them
  std::string start;     // see event/start_point.h; "" = now
  std::string job_path;  // keeps schema history and commits; "" = memory only
  size_t batch_bytes = 1u << 20;
  std::function<Result<std::unique_ptr<RuleStage>>(const RuleStageConfig&)> rule_stage;  // empty: of Lua files
};
Result<std::unique_ptr<StreamReader>> open_stream(const StreamConfig& config);

// Keeps a span of a server's binary log as files that binlog:// reads. One thread.
class LogCapture {
 public:
  virtual ~LogCapture() = default;
  // True: something came within the timeout.
  virtual Result<bool> step(std::chrono::milliseconds timeout) = 0;
  virtual Status close() = 0;  // a transaction that has not come to its end is left out
  virtual uint64_t transactions() const = 0;
  virtual uint64_t bytes() const = 0;
  virtual std::vector<std::string> files() const = 0;  // names in the folder
  // Is it known which columns the rows have: from schema.sql, or from the log itself?
  virtual bool knows_columns() const = 0;
};
// Source, tables and start of `config`; `folder` is there and empty.
Result<std::unique_ptr<LogCapture>> record_log(const StreamConfig& config, const std::string& folder);

}  // namespace tailrace
