#include "job/config_change.h"

namespace tailrace {
namespace {

// Policies, limits, secrets and how fast things go: nothing of what is delivered hangs on them.
constexpr const char* kPolicies[] = {"/pipeline",
                                     "/rules/on_error",
                                     "/rules/error_scope",
                                     "/rules/memory",
                                     "/rules/batch_ms",
                                     "/rules/batch_limit_ms",
                                     "/rules/trusted",
                                     "/source/connect_timeout",
                                     "/source/keepalive",
                                     "/source/invalid_text",
                                     "/source/heartbeat",
                                     "/source/heartbeat_interval",
                                     "/source/server_id",
                                     "/sink/password",
                                     "/sink/connect_timeout",
                                     "/sink/commit_every",
                                     "/sink/commit_bytes",
                                     "/sink/synchronous",
                                     "/sink/sync",
                                     "/sink/cache",
                                     "/sink/max_page_count",
                                     "/sink/segment_bytes",
                                     "/sink/compression",
                                     "/sink/linger",
                                     "/sink/buffer",
                                     "/sink/max_message_bytes",
                                     "/sink/max_batch_bytes",
                                     "/sink/oversized",
                                     "/sink/claim_check_folder",
                                     "/sink/throttle_rows",
                                     "/sink/throttle_bytes",
                                     "/sink/transaction_timeout",
                                     "/sink/create_topics",
                                     "/sink/client_id",
                                     "/sink/security",
                                     "/sink/sasl_mechanism",
                                     "/sink/tls_ca"};

// Where the source is may change: a position tells which server it is of, and the source checks that the one named now
// can go on from it. What kind of source it is may not.
constexpr const char* kServer[] = {"/source/url", "/source/socket", "/source/tls", "/source/tls_ca", "/source/password"};

constexpr ConfigLatitude::Reason kReasons[] = {
    {"tables", "a table that comes in now would lack the rows it has already: take it with a new job; `false` in the rules leaves one out"},
    {"job", "the phases say what the job has copied, the name is part of its identity"},
    {"source", "the checkpoint is a place in the log of the source that the job began with"},
    {"sink", "what was delivered is there, in that form: another target or form is another job"},
    {"rules", "a job gets another rule file or other options by tailrace rule swap; an edited file takes over by itself"}};

bool is_server(const std::string& url) { return url.rfind("mysql://", 0) == 0 || url.rfind("mariadb://", 0) == 0; }

}  // namespace

ConfigLatitude config_latitude(const JobConfig& config, const std::optional<JobRow>& kept) {
  ConfigLatitude out;
  if (!kept) return out;
  out.movable.assign(std::begin(kPolicies), std::end(kPolicies));
  out.reasons.assign(std::begin(kReasons), std::end(kReasons));
  auto before = JobConfig::parse(kept->config);
  if (before.ok() && is_server(before->source.url) && is_server(config.source.url)) {
    out.movable.insert(out.movable.end(), std::begin(kServer), std::end(kServer));
  }
  return out;
}

}  // namespace tailrace
