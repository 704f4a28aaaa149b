// GTID sets of both server families, and the position text built from them. Plain values, no I/O.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/position.h"

namespace tailrace {

inline constexpr uint64_t kGtidNumberEnd = INT64_MAX;  // one past the last number a server gives

struct MysqlGtid {
  std::array<uint8_t, 16> uuid{};
  std::string tag;  // lower case, "" = untagged
  uint64_t number = 0;
  std::string text() const;  // "uuid:77", "uuid:tag:77"
};

// Executed set of MySQL: `uuid:1-5:7,uuid2:tag:1-3`.
class MysqlGtidSet {
 public:
  static Result<MysqlGtidSet> parse(std::string_view text);
  bool empty() const noexcept { return sets_.empty(); }
  void add(const MysqlGtid& gtid) { add(gtid.uuid, gtid.tag, gtid.number, gtid.number + 1); }
  void add(const std::array<uint8_t, 16>& uuid, const std::string& tag, uint64_t first, uint64_t end);
  void merge(const MysqlGtidSet& other);
  bool contains(const MysqlGtid& gtid) const;
  bool contains(const MysqlGtidSet& other) const;
  // What of `other` is not in this set.
  MysqlGtidSet missing(const MysqlGtidSet& other) const;
  std::string text() const;
  // Form of COM_BINLOG_DUMP_GTID and PREVIOUS_GTIDS; the tagged form (8.3+) when a tag is in the set.
  std::string encode() const;
  static Result<MysqlGtidSet> decode(std::string_view bytes);

 private:
  struct Interval {
    uint64_t first, end;
  };  // end is one past the last
  using Key = std::pair<std::array<uint8_t, 16>, std::string>;
  std::map<Key, std::vector<Interval>> sets_;
};
Result<MysqlGtid> parse_mysql_gtid_text(std::string_view text);
// As servers log it: lower case, "" = untagged.
bool is_gtid_tag(std::string_view text) noexcept;

struct MariaGtid {
  uint32_t domain = 0, server_id = 0;
  uint64_t sequence = 0;
  std::string text() const;  // "0-1-42"
};
Result<MariaGtid> parse_maria_gtid_text(std::string_view text);

// The last GTID of each domain: `0-1-42,7-2-5`.
class MariaGtidList {
 public:
  static Result<MariaGtidList> parse(std::string_view text);
  static Result<MariaGtidList> decode(std::string_view bytes);  // body of a GTID_LIST event
  bool empty() const noexcept { return last_.empty(); }
  void set(const MariaGtid& gtid) { last_[gtid.domain] = gtid; }
  bool contains(const MariaGtid& gtid) const;
  bool contains(const MariaGtidList& other) const;
  const MariaGtid* find(uint32_t domain) const;  // null: nothing of this domain
  const std::map<uint32_t, MariaGtid>& by_domain() const noexcept { return last_; }
  std::string text() const;

 private:
  std::map<uint32_t, MariaGtid> last_;
};

// What a MariaDB server has logged: the last GTID of each domain and server (@@gtid_binlog_state).
class MariaGtidState {
 public:
  static Result<MariaGtidState> parse(std::string_view text);
  // Did this very transaction, or a later one of the same server, pass here? A larger number of another server does
  // not count: after a failover it may stand for other rows.
  bool contains(const MariaGtid& gtid) const;
  // The largest number of a domain, whichever server it is of; 0 = none.
  uint64_t highest(uint32_t domain) const;

 private:
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> last_;
};

// Is this the GTID text of MariaDB (numbers and dashes) rather than MySQL's (uuid)?
bool is_maria_gtid_text(std::string_view text) noexcept;

// Text of a Position: `gtid=<set or empty>;file=<file>;offset=<u64>;server=<identity>`, any part optional.
struct LogPosition {
  bool has_gtid = false;
  std::string gtid;  // as written; MariaDB or MySQL form
  std::string file;  // "" = not given
  uint64_t offset = 0;
  std::string server;  // whose file it is; "" = not told: taken as the server asked
  // File and offset mean the same place in both logs.
  bool same_log(const LogPosition& other) const noexcept {
    return !file.empty() && !other.file.empty() && (server.empty() || other.server.empty() || server == other.server);
  }
  // While XA transactions are prepared and not yet decided: where the log has to be read from to see their rows again,
  // before this position. Written as xa_gtid=…;xa_file=…;xa_offset=….
  std::shared_ptr<const LogPosition> restart = nullptr;
  const LogPosition& restart_place() const { return restart ? *restart : *this; }
  std::string text() const;
};
Result<LogPosition> parse_log_position(const Position& position);

// Is everything up to `target` at or before `at`? MySQL: by GTID sets when both have them; else by file and offset, which
// count only within the log of one server.
bool log_position_reached(const LogPosition& at, const LogPosition& target);

// Can a log file of this name be part of a position's text?
bool is_log_file_name(std::string_view name) noexcept;
// Orders log file names by base name and numeric suffix: <0, 0, >0.
int compare_log_files(std::string_view a, std::string_view b) noexcept;

}  // namespace tailrace
