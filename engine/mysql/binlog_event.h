// Binary log events: headers and the bodies that carry structure rather than rows. Everything here reads untrusted
// bytes: a length that does not fit is a failed Status, never a read past the end. Views point into the event.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "mysql/gtid.h"

namespace tailrace {

enum class EventType : uint8_t {
  kUnknown = 0,
  kStartV3 = 1,
  kQuery = 2,
  kStop = 3,
  kRotate = 4,
  kIntvar = 5,
  kLoad = 6,
  kSlave = 7,
  kCreateFile = 8,
  kAppendBlock = 9,
  kExecLoad = 10,
  kDeleteFile = 11,
  kNewLoad = 12,
  kRand = 13,
  kUserVar = 14,
  kFormatDescription = 15,
  kXid = 16,
  kBeginLoadQuery = 17,
  kExecuteLoadQuery = 18,
  kTableMap = 19,
  kPreGaWriteRows = 20,
  kPreGaUpdateRows = 21,
  kPreGaDeleteRows = 22,
  kWriteRowsV1 = 23,
  kUpdateRowsV1 = 24,
  kDeleteRowsV1 = 25,
  kIncident = 26,
  kHeartbeat = 27,
  kIgnorable = 28,
  kRowsQuery = 29,
  kWriteRows = 30,
  kUpdateRows = 31,
  kDeleteRows = 32,
  kGtid = 33,
  kAnonymousGtid = 34,
  kPreviousGtids = 35,
  kTransactionContext = 36,
  kViewChange = 37,
  kXaPrepare = 38,
  kPartialUpdateRows = 39,
  kTransactionPayload = 40,
  kHeartbeatV2 = 41,
  kGtidTagged = 42,
  kMariaAnnotateRows = 160,
  kMariaBinlogCheckpoint = 161,
  kMariaGtid = 162,
  kMariaGtidList = 163,
  kMariaStartEncryption = 164,
  kMariaQueryCompressed = 165,
  kMariaWriteRowsCompressedV1 = 166,
  kMariaUpdateRowsCompressedV1 = 167,
  kMariaDeleteRowsCompressedV1 = 168,
  kMariaWriteRowsCompressed = 169,
  kMariaUpdateRowsCompressed = 170,
  kMariaDeleteRowsCompressed = 171
};
std::string event_type_name(uint8_t type);  // "WRITE_ROWS (30)"

inline constexpr size_t kEventHeaderSize = 19;
inline constexpr uint16_t kEventArtificial = 0x20;  // made up by the server for this stream, not in the file
inline constexpr uint16_t kEventIgnorable = 0x80;

struct EventHeader {
  uint32_t timestamp = 0;  // seconds
  uint8_t type = 0;
  uint32_t server_id = 0;
  uint32_t length = 0;       // whole event, header and checksum included
  uint32_t next_offset = 0;  // low 32 bits of the end of the event in its file; 0 in artificial events
  uint16_t flags = 0;
};
// REQUIRES: at least kEventHeaderSize bytes.
EventHeader parse_event_header(const char* bytes) noexcept;

struct FormatDescription {
  uint16_t version = 4;
  std::string server_version;
  bool is_mariadb = false;
  bool has_checksum = false;               // events end with 4 bytes of CRC32
  std::array<uint8_t, 256> post_header{};  // by event type; 0 = not told
};
// `body`: the event behind its header, checksum bytes included.
Result<FormatDescription> parse_format_description(std::string_view body);

struct RotateEvent {
  uint64_t offset = 0;
  std::string_view file;
};
Result<RotateEvent> parse_rotate(std::string_view body, const FormatDescription& format);

inline constexpr uint64_t kSqlModeRealAsFloat = 1, kSqlModeAnsiQuotes = 4, kSqlModeOracle = 512, kSqlModeNoBackslashEscapes = 1 << 20;

struct QueryEvent {
  std::string_view database;
  std::string_view sql;
  uint16_t error_code = 0;
  uint64_t sql_mode = 0;
  bool ansi_quotes = false;                 // "x" is an identifier
  std::optional<bool> explicit_timestamps;  // explicit_defaults_for_timestamp, where the log tells it
  uint32_t microseconds = 0;                // of the statement's timestamp
  uint16_t client_collation = 0;            // of the text of the statement; 0 = not told
  uint16_t server_collation = 0;            // collation_server; 0 = not told
  uint16_t utf8mb4_collation = 0;           // default_collation_for_utf8mb4 of MySQL; 0 = not told
  // character_set_collations of MariaDB: what stands for a character set's own default collation.
  std::vector<std::pair<uint16_t, uint16_t>> charset_collations;
};
Result<QueryEvent> parse_query(std::string_view body, const FormatDescription& format);

// MySQL's GTID, ANONYMOUS_GTID and GTID_TAGGED.
struct GtidEvent {
  MysqlGtid gtid;               // number 0 for an anonymous one
  uint64_t commit_time_us = 0;  // 0 = not told
};
Result<GtidEvent> parse_mysql_gtid(std::string_view body);
Result<GtidEvent> parse_tagged_gtid(std::string_view body);

struct MariaGtidEvent {
  uint64_t sequence = 0;
  uint32_t domain = 0;
  uint8_t flags = 0;
};
inline constexpr uint8_t kMariaStandalone = 1;
inline constexpr uint8_t kMariaPreparedXa = 64;
inline constexpr uint8_t kMariaCompletedXa = 128;
Result<MariaGtidEvent> parse_maria_gtid(std::string_view body);

struct XaPrepareEvent {
  bool one_phase = false;  // prepared and committed at once
  std::string xid;         // as statements name it: x'6162',x'',1
};
Result<XaPrepareEvent> parse_xa_prepare(std::string_view body);

}  // namespace tailrace
