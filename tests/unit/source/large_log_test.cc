// Logs longer than 4 GiB: the 32 bits of the events' headers wrap.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "mysql/compression.h"
#include "source/builtin.h"
#include "source/log_assembler.h"
#include "unit/catch.h"
#include "unit/source/stream_reader.h"

using namespace tailrace;
using namespace tailrace::test;
using namespace std::string_literals;

namespace {

std::string le(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> 8 * i));
  return out;
}

constexpr uint8_t kFormat = 15, kRotate = 4, kQuery = 2, kXid = 16, kTableMap = 19, kWriteRows = 30, kRowsQuery = 29, kHeartbeat = 27;

std::string header(uint8_t type, size_t length, uint64_t end, uint16_t flags = 0) {
  return le(1700000000, 4) + std::string(1, static_cast<char>(type)) + le(1, 4) + le(length, 4) + le(end & UINT32_MAX, 4) + le(flags, 2);
}

// An event that ends at `end` of its file; no checksum.
std::string event(uint8_t type, const std::string& body, uint64_t end, uint16_t flags = 0) {
  return header(type, 19 + body.size(), end, flags) + body;
}

std::string query_body(const std::string& sql) { return le(1, 4) + le(0, 4) + "\x01"s + le(0, 2) + le(0, 2) + "d\0"s + sql; }

// Says that the events carry no checksum; it has one itself, as always.
std::string format_event() {
  std::string version = "8.0.36";
  version.resize(50, '\0');
  std::string lengths(41, '\0');
  lengths[kQuery - 1] = 13;
  lengths[kTableMap - 1] = 8;
  lengths[kWriteRows - 1] = 10;
  std::string body = le(4, 2) + version + le(0, 4) + "\x13" + lengths + "\0"s;
  std::string bytes = header(kFormat, 19 + body.size() + 4, 4 + 19 + body.size() + 4) + body;
  return bytes + le(log_crc32(0, bytes), 4);
}

const std::string kMapBody =
    "\x07\0\0\0\0\0\x01\0\x01"
    "d\0\x01"
    "t\0\x02\x03\x0F\x02\x28\0\x02\x01\x01\0\x02\x01\x2D\x04\x05\x02id\x01v\x08\x01\0"s;
std::string rows_body(uint32_t id) { return "\x07\0\0\0\0\0\x01\0\x02\0\x02\x03\0"s + le(id, 4) + "\x01v"s; }

}  // namespace

TEST_CASE("A stream's offsets go on where the 32 bits of its headers wrap") {
  SchemaTracker schemas(nullptr, "mysql", nullptr, [](std::string_view, std::string_view) { return true; });
  BinlogAssembler assembler(SourceContext{}, schemas, "mysql");
  REQUIRE(assembler.start(LogPosition{true, "", "b.000001", 4, ""}).ok());
  auto take = [&](const std::string& bytes) {
    Status status = assembler.take(bytes);
    INFO(status.to_string());
    REQUIRE(status.ok());
  };
  take(event(kRotate, le(4, 8) + "b.000001", 0, kEventArtificial));
  take(format_event());
  uint64_t end = 4 + format_event().size();
  constexpr uint64_t kStep = 900u << 20;  // an event is at most 1 GiB
  for (int i = 0; i < 15; ++i) {
    for (auto& [type, body, size] : {std::tuple{kQuery, query_body("BEGIN"), uint64_t{40}}, std::tuple{kRowsQuery, "x"s, kStep},
                                     std::tuple{kXid, le(5, 8), uint64_t{27}}}) {
      end += size;
      take(event(type, body, end));
    }
    INFO(i);
    CHECK(assembler.log_position().offset == end);
  }
  REQUIRE(end > uint64_t{12} << 30);
  // The next file begins at its own start.
  take(event(kRotate, le(4, 8) + "b.000002", end + 30));
  take(event(kRotate, le(4, 8) + "b.000002", 0, kEventArtificial));
  take(format_event());
  CHECK(assembler.log_position().text() == "gtid=;file=b.000002;offset=4");
}

TEST_CASE("A heartbeat moves the position past what the server has skipped, between transactions only") {
  SchemaTracker schemas(nullptr, "mysql", nullptr, [](std::string_view, std::string_view) { return true; });
  BinlogAssembler assembler(SourceContext{}, schemas, "mysql");
  REQUIRE(assembler.start(LogPosition{true, "", "b.000001", 4, "7"}).ok());
  auto take = [&](const std::string& bytes) { REQUIRE(assembler.take(bytes).ok()); };
  take(event(kRotate, le(4, 8) + "b.000001", 0, kEventArtificial));
  take(event(kHeartbeat, "b.000001", 900));  // nothing is known of the log yet
  CHECK(assembler.log_position().offset == 4);
  take(format_event());
  take(event(kHeartbeat, "b.000001", 1000));
  CHECK(assembler.log_position().text() == "gtid=;file=b.000001;offset=1000;server=7");
  CHECK(assembler.has_output());
  take(event(kHeartbeat, "b.000001", 900));
  take(event(kHeartbeat, "b.000002", 5000));
  CHECK(assembler.log_position().offset == 1000);
  take(event(kQuery, query_body("BEGIN"), 1040));
  take(event(kHeartbeat, "b.000001", 2000));
  CHECK(assembler.log_position().offset == 1000);
  take(event(kXid, le(5, 8), 1067));
  CHECK(assembler.log_position().offset == 1067);
}

TEST_CASE("A stream that begins beyond 4 GiB keeps its offsets") {
  SchemaTracker schemas(nullptr, "mysql", nullptr, [](std::string_view, std::string_view) { return true; });
  BinlogAssembler assembler(SourceContext{}, schemas, "mysql");
  constexpr uint64_t kBegin = (uint64_t{9} << 30) + 77;
  REQUIRE(assembler.start(LogPosition{false, "", "b.000001", kBegin, ""}).ok());
  REQUIRE(assembler.take(event(kRotate, le(kBegin, 8) + "b.000001", 0, kEventArtificial)).ok());
  std::string format = format_event();
  format.replace(13, 4, le(0, 4));  // a server says 0 when it is not in its place
  format.replace(format.size() - 4, 4, le(log_crc32(0, format.substr(0, format.size() - 4)), 4));
  REQUIRE(assembler.take(format).ok());
  REQUIRE(assembler.take(event(kQuery, query_body("BEGIN"), kBegin + 40)).ok());
  REQUIRE(assembler.take(event(kXid, le(5, 8), kBegin + 67)).ok());
  CHECK(assembler.log_position().offset == kBegin + 67);
}

TEST_CASE("A file longer than 4 GiB is read, also from a place near its end") {
  std::string pattern = (std::filesystem::temp_directory_path() / "tailrace_large_XXXXXX").string();
  std::filesystem::path folder = ::mkdtemp(pattern.data());
  std::string path = folder / "b.000001";
  int fd = ::open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  REQUIRE(fd >= 0);
  uint64_t end = 0;
  auto write = [&](const std::string& bytes) {
    REQUIRE(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(end)) == static_cast<ssize_t>(bytes.size()));
    end += bytes.size();
  };
  auto transaction = [&](uint32_t id) {
    write(event(kQuery, query_body("BEGIN"), 0));
    write(event(kTableMap, kMapBody, 0));
    write(event(kWriteRows, rows_body(id), 0));
    write(event(kXid, le(5, 8), 0));
  };
  write(
      "\xFE"
      "bin");
  write(format_event());
  transaction(1);
  // Events whose bodies are holes of the file.
  constexpr uint64_t kHole = 64u << 20;
  while (end < (uint64_t{4} << 30) + 1000) {
    write(header(kRowsQuery, kHole, 0));
    end += kHole - 19;
  }
  transaction(2);
  uint64_t after_two = end;
  transaction(3);
  ::close(fd);

  auto read = [&](const std::string& from) {
    const SourceInfo* info = find_source("binlog");
    auto url = parse_url("binlog://" + path);
    auto options = Options::parse("source", info->options, {});
    auto source = info->create(*options, *url, SourceContext{});
    REQUIRE(source.ok());
    REQUIRE((*source)->open(Position{"", from}).ok());
    std::string out;
    for (const auto& batch : read_all(**source, nullptr)) {
      for (const ChangeEvent& change : batch->events) out += fmt::format("{} ", change.after[0].i);
      if (batch->boundary) out += "| " + batch->boundary->text;
    }
    return out;
  };
  std::string last = fmt::format("| file=b.000001;offset={}", end);
  std::string all = read("earliest");
  CHECK(all.substr(0, 6) == "1 2 3 ");
  CHECK(all.substr(all.rfind('|')) == last);
  CHECK(read(fmt::format("b.000001:{}", after_two)) == "3 " + last);
  std::filesystem::remove_all(folder);
}
