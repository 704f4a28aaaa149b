// Which differences from the configuration that a job began with are let through, and why the others are not. Stateless.
#pragma once
#include <optional>

#include "job/job_config.h"
#include "metadb/metadb.h"

namespace tailrace {

// `kept` may be the row of a file that has no job yet.
ConfigLatitude config_latitude(const JobConfig& config, const std::optional<JobRow>& kept);

}  // namespace tailrace
