// How a job's state is shown: conversions between the pipeline's counters, JobStatus and the job file's rows.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "job/job.h"

namespace tailrace {

void fill_from_pipeline(JobStatus& out, const PipelineStatus& pipeline, bool running);
// Adds what earlier runs counted; the state and the estimate stay those of the later run where it has them.
void add_counts(TableProgress& later, const TableProgress& earlier);
TableProgress progress_of(const TableStat& stat);
// What people should know of the source, as v1_event has it: patterns of the job's tables and of these rules that matched
// nothing, and changes that the log does not have.
inline constexpr std::string_view kUnmatchedPattern = "unmatched", kUnloggedChange = "unlogged";
// What a status tells of rows_uncounted.
std::string uncounted_text(uint64_t rows);
Result<std::vector<std::string>> lasting_warnings(JobFile& file, std::string_view rules_version);
StatusRow to_status_row(const JobStatus& status, std::vector<TableStat>& tables);

}  // namespace tailrace
