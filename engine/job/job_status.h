// How a job's state is shown: conversions between the pipeline's counters, JobStatus and the job file's rows.
#pragma once
#include <vector>

#include "job/job.h"

namespace tailrace {

void fill_from_pipeline(JobStatus& out, const PipelineStatus& pipeline, bool running);
StatusRow to_status_row(const JobStatus& status, std::vector<TableStat>& tables);

}  // namespace tailrace
