#include <atomic>

#include "app/endpoints.h"

namespace tailrace {
namespace {

class DirectReader final : public StreamReader {
 public:
  Status open(const StreamConfig& config) {
    EndpointConfig endpoint = config.source;
    for (auto& [key, value] : endpoint.options) {
      TAILRACE_TRY(value, resolve_references(value));
    }
    batch_bytes_ = config.batch_bytes;
    TAILRACE_TRY(filter_, TableFilter::parse(config.tables));
    SchemaStore* schemas = &memory_;
    std::optional<Position> from;
    if (!config.job_path.empty()) {
      TAILRACE_TRY(file_, JobFile::open(config.job_path, JobFile::Mode::kCreate));
      schemas = file_.get();
      TAILRACE_TRY(auto stored, file_->load());
      if (stored) from = stored->position;
    }
    bool resumed = from.has_value();
    if (!from && !config.start.empty() && config.start != "now") from = Position{"", config.start};
    TAILRACE_TRY(source_, make_source(endpoint, SourceContext{&filter_, schemas}));
    if (!config.is_raw) {
      RuleOptions rules = config.rules;
      for (auto& [name, value] : rules.options) {
        if (!is_reference(value)) continue;
        TAILRACE_TRY(value, resolve_references(value));
      }
      TAILRACE_TRY(rules_, config.rule_stage ? config.rule_stage(RuleStageConfig{rules, false}) : make_rule_kit().stage(rules));
    }
    TAILRACE_OK(source_->open(from));
    position_ = source_->start_position();
    // Kept before anything is read: what comes before the first commit is not lost to the next start.
    if (file_ && !resumed) TAILRACE_OK(file_->save(Checkpoint{position_, 0, "", 0}));
    return {};
  }

  Result<std::unique_ptr<EventBatch>> next(std::chrono::milliseconds timeout) override {
    auto until = std::chrono::steady_clock::now() + timeout;
    while (!ended_) {
      std::unique_ptr<RawBatch> raw;
      TAILRACE_TRY(ReadState state, source_->read(raw, batch_bytes_, stop_.get_token()));
      if (stop_.stop_requested()) return Status(ErrorCode::kJobAborted, "the stream was interrupted");
      if (state == ReadState::kEnd) ended_ = true;
      if (raw) {
        auto batch = std::make_unique<EventBatch>();
        TAILRACE_OK(source_->decode(*raw, *batch));
        batch->boundary = raw->boundary;
        if (rules_) TAILRACE_OK(rules_->run(*batch));
        if (batch->boundary) position_ = *batch->boundary;
        if (!batch->events.empty()) return batch;
      }
      if (std::chrono::steady_clock::now() >= until) break;
    }
    return std::unique_ptr<EventBatch>();
  }

  bool ended() const override { return ended_; }
  void interrupt() noexcept override {
    stop_.request_stop();
    source_->interrupt();
  }
  Position position() const override { return position_; }
  Status commit(const Position& position) override {
    if (!file_) return {};
    return file_->save(Checkpoint{position, 0, "", 0});
  }

 private:
  TableFilter filter_;
  MemorySchemaStore memory_;
  std::unique_ptr<JobFile> file_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<RuleStage> rules_;  // null: raw
  Position position_;
  std::stop_source stop_;
  size_t batch_bytes_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<StreamReader>> open_stream(const StreamConfig& config) {
  auto reader = std::make_unique<DirectReader>();
  TAILRACE_OK(reader->open(config));
  return std::unique_ptr<StreamReader>(std::move(reader));
}

}  // namespace tailrace
