// Null sink: counts and forgets. For benchmarks and rehearsals of everything before the sink.
#include "sink/sink.h"

namespace tailrace {
namespace {

class NullSink final : public Sink {
 public:
  explicit NullSink(bool records) : records_(records) {}
  SinkCaps caps() const override {
    SinkCaps caps;
    caps.wants_records = records_;
    caps.asynchronous = true;
    return caps;
  }
  Status open(const SinkContext& context, AckReceiver& acks) override {
    if (records_ && !context.serializer) return Status(ErrorCode::kInternal, "the null sink was opened without a format");
    serializer_ = context.serializer;
    acks_ = &acks;
    return Status();
  }
  Status write(const LaneBatch& batch, std::stop_token) override {
    if (records_) {
      for (const ChangeEvent& event : batch.events->events) {
        record_.skip = false;
        TAILRACE_OK(serializer_->encode(*batch.events, event, record_));
      }
    }
    acks_->acknowledged(batch.events->sequence);
    return Status();
  }
  Status flush(std::stop_token) override { return Status(); }

 private:
  const bool records_;
  const Serializer* serializer_ = nullptr;
  AckReceiver* acks_ = nullptr;
  Record record_;
};

constexpr OptionSpec kOptions[] = {
    {"records", "bool", "false", "serialize every event in the job's format before forgetting it"},
};

Result<std::unique_ptr<Sink>> create_null(const Options& options, const Url&) {
  return std::unique_ptr<Sink>(std::make_unique<NullSink>(options.boolean("records")));
}

}  // namespace

extern const SinkInfo tailrace_sink_null;
const SinkInfo tailrace_sink_null{"null", "takes everything and keeps nothing", kOptions, &create_null};

}  // namespace tailrace
