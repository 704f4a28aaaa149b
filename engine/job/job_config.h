// JobConfig: the configuration of one job, checked. The JSON form is what the job file keeps and HTTP, CLI and
// Python hand in; secrets are references in it ("${env:NAME}", "${file:/path}"), resolved when the job starts.
//
//   {"version":1, "job":{"name":"shop","phases":["snapshot","stream"]},
//    "source":{"url":"mysql://mig@db1:3306","password":"${env:PW}", …options of the source},
//    "sink":{"url":"sqlite:///copy.db", "format":"debezium", …options of the sink and the format},
//    "tables":["shop.*","!shop.tmp_*"], "rules":{"file":"rules/shop.lua","options":{"region":"eu"}},
//    "pipeline":{"threads":2,"memory":"96MiB"}}
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "pipeline/pipeline.h"
#include "rule/rule_stage.h"

namespace tailrace {

struct EndpointConfig {
  std::string url;                             // without password
  std::map<std::string, std::string> options;  // all other keys; "password" may be a reference
};

struct JobConfig {
  std::string name;
  EndpointConfig source, sink;
  std::string format;  // "" = the sink takes rows
  std::string start;   // source.start, see event/start_point.h; "" = now
  std::vector<std::string> tables;
  RuleOptions rules;
  PipelineOptions pipeline;
  std::map<std::string, std::string> secrets;  // literal ones, split off: "source.password"; never stored
  std::string canonical;                       // the JSON as stored: sorted keys, no literal secrets

  // CFG-0001..0006. Unknown keys are named with the nearest known one.
  static Result<JobConfig> parse(std::string_view json);
};

// "${env:NAME}" or "${file:/path}" and nothing else, so that the text tells nothing of the value.
bool is_reference(std::string_view text);

// Replaces "${env:NAME}", "${env:NAME:-default}", "${file:/path}" and "$$" in one string. CFG-0007 names what is missing.
Result<std::string> resolve_references(std::string_view text);

}  // namespace tailrace
