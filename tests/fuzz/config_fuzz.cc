// What users write: job configurations, URLs, options, patterns of tables.
#include "event/table_filter.h"
#include "fuzz/fuzz.h"
#include "job/job_config.h"
#include "source/builtin.h"

using namespace tailrace;

namespace {

void config(std::string_view text) {
  auto parsed = JobConfig::parse(text);
  if (!parsed.ok()) return;
  auto again = JobConfig::parse(parsed->canonical);
  FUZZ_CHECK(again.ok() && again->canonical == parsed->canonical && again->secrets.empty());
  FUZZ_CHECK(again->source.url == parsed->source.url && again->tables == parsed->tables);
}

void url(std::string_view text) {
  auto parsed = parse_url(text);
  std::string shown = redact_url(text);
  if (!parsed.ok()) return;
  FUZZ_CHECK(!parsed->scheme.empty());
  if (parsed->has_password && parsed->password != "******" && !parsed->password.empty()) {
    auto safe = parse_url(shown);
    FUZZ_CHECK(!safe.ok() || safe->password != parsed->password);
  }
  for (std::string_view scheme : {"mysql", "binlog"}) {
    const SourceInfo* info = find_source(scheme);
    FUZZ_CHECK(info);
    auto options = Options::parse("source", info->options, parsed->query);
    for (const OptionSpec& spec : info->options) {
      if (options.ok() && options->has(spec.name)) (void)options->text(spec.name);
    }
  }
}

void patterns(std::string_view text) {
  std::vector<std::string> list;
  size_t line = text.find('\n');
  std::string_view name = text.substr(0, line);
  while (line != std::string_view::npos && list.size() < 100) {
    text.remove_prefix(line + 1);
    line = text.find('\n');
    list.emplace_back(text.substr(0, line));
  }
  auto filter = TableFilter::parse(list);
  if (filter.ok()) (void)filter->matches("d", name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  uint8_t kind = in.u8();
  std::string_view text = in.rest();
  switch (kind % 6) {
    case 0:
    case 1: config(text); break;
    case 2: url(text); break;
    case 3: patterns(text); break;
    case 4:
      // Files are left alone: what they hold is none of a test's business.
      if (text.find("file") == std::string_view::npos) (void)resolve_references(text).ok();
      break;
    default:
      if (auto bytes = parse_bytes(text); bytes.ok()) FUZZ_CHECK(*bytes >= 0);
      if (auto time = parse_duration_us(text); time.ok()) FUZZ_CHECK(*time >= 0);
  }
  return 0;
}
