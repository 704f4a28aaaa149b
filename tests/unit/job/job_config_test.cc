#include "job/job_config.h"

#include <cstdlib>
#include <fstream>

#include "unit/catch.h"

using namespace tailrace;

namespace {
const char* kGood = R"({"version":1,"job":{"name":"shop"},"source":{"url":"mysql://mig:s3cret@db1:3306/","tls":"off"},
  "sink":{"url":"sqlite:///x.db","commit_bytes":1048576},"tables":["shop.*"],"pipeline":{"memory":"64MiB","threads":1}})";

std::string code_of(std::string_view json) {
  auto config = JobConfig::parse(json);
  return config.ok() ? "ok" : std::string(error_info(config.status().code()).text) + " " + config.status().detail();
}
}  // namespace

TEST_CASE("a configuration is parsed and its literal secrets are split off") {
  auto config = JobConfig::parse(kGood);
  REQUIRE(config.ok());
  CHECK(config->name == "shop");
  CHECK(config->source.url == "mysql://mig@db1:3306/");
  CHECK(config->secrets.at("source.password") == "s3cret");
  CHECK(config->canonical.find("s3cret") == std::string::npos);
  CHECK(config->sink.options.at("commit_bytes") == "1048576");
  CHECK(config->pipeline.memory_bytes == 64u << 20);
  CHECK(config->pipeline.threads == 1);
  CHECK(config->pipeline.snapshot);
  auto literal = JobConfig::parse(R"({"source":{"url":"mysql://h","password":"s3cret"},"sink":"null:"})");
  REQUIRE(literal.ok());
  CHECK(literal->secrets.at("source.password") == "s3cret");
  CHECK(literal->canonical.find("s3cret") == std::string::npos);
  auto reference = JobConfig::parse(R"({"source":{"url":"mysql://h","password":"${env:PW}"},"sink":"null:"})");
  REQUIRE(reference.ok());
  CHECK(reference->secrets.empty());
  CHECK(reference->source.options.at("password") == "${env:PW}");
}

TEST_CASE("mistakes are named") {
  CHECK(code_of("{").substr(0, 8) == "CFG-0001");
  CHECK(code_of(R"({"source":"a://b","sink":"null:","tabels":[]})") == "CFG-0002 tabels (did you mean 'tables'?)");
  CHECK(code_of(R"({"source":"a://b"})") == "CFG-0004 sink");
  CHECK(code_of(R"({"source":"a://b","sink":"null:","pipeline":{"treads":1}})").find("'threads'") != std::string::npos);
  CHECK(code_of(R"({"source":"a://b","sink":"null:","pipeline":{"threads":9}})").substr(0, 8) == "CFG-0003");
  CHECK(code_of(R"({"source":"a://b","sink":"null:","job":{"phases":["snapshto"]}})").substr(0, 8) == "CFG-0003");
  CHECK(code_of(R"({"source":"a://b:99999","sink":"null:"})").substr(0, 8) == "CFG-0006");
  CHECK(code_of(R"({"source":{"url":"a://b","start":"gtid=0-1-1"},"sink":"null:"})").substr(0, 8) == "CFG-0003");
  CHECK(code_of(R"({"source":"a://b","sink":"null:","version":2})").substr(0, 8) == "CFG-0003");
  CHECK(code_of(R"([1])").substr(0, 3) == "CFG");
  CHECK(code_of(R"({"source":"a://b","sink":"null:","rules":{"file":"x.lua","trusted":"no"}})").substr(0, 8) == "CFG-0003");
  CHECK_FALSE(JobConfig::parse(R"({"source":"a://b","sink":"null:","rules":{"file":"x.lua","trusted":false}})")->rules.trusted);
}

TEST_CASE("references are resolved, and what is missing is named") {
  setenv("TAILRACE_TEST_PW", "p\"w", 1);
  unsetenv("TAILRACE_TEST_NONE");
  CHECK(*resolve_references("a${env:TAILRACE_TEST_PW}b") == "ap\"wb");
  CHECK(*resolve_references("${env:TAILRACE_TEST_NONE:-x}") == "x");
  CHECK(*resolve_references("$$5 $x") == "$5 $x");
  auto missing = resolve_references("${env:TAILRACE_TEST_NONE}");
  REQUIRE(!missing.ok());
  CHECK(missing.status().code() == ErrorCode::kConfigVariable);
  CHECK(missing.status().detail().find("TAILRACE_TEST_NONE") != std::string::npos);
  CHECK(!resolve_references("${env:X").ok());
  CHECK(!resolve_references("${other:X}").ok());
  CHECK(!resolve_references("${file:/nowhere/at/all}").ok());
}
