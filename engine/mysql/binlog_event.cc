#include "mysql/binlog_event.h"

#include <fmt/format.h>

#include <cstring>

#include "base/byte_cursor.h"

namespace tailrace {
namespace {

Status malformed(std::string_view what) { return Status(ErrorCode::kSourceCorrupt, fmt::format("malformed {} event", what)); }

// "10.11.6-MariaDB" -> 10 * 1000000 + 11 * 1000 + 6.
uint32_t version_number(std::string_view text) {
  uint32_t parts[3] = {};
  size_t part = 0;
  for (char c : text) {
    if (c >= '0' && c <= '9') {
      parts[part] = parts[part] * 10 + static_cast<uint32_t>(c - '0');
      if (parts[part] > 999) return 0;
    } else if (c == '.' && part < 2) {
      ++part;
    } else {
      break;
    }
  }
  return parts[0] * 1000000 + parts[1] * 1000 + parts[2];
}

std::string_view base_name(uint8_t type) {
  switch (static_cast<EventType>(type)) {
    case EventType::kUnknown: return "UNKNOWN";
    case EventType::kStartV3: return "START_V3";
    case EventType::kQuery: return "QUERY";
    case EventType::kStop: return "STOP";
    case EventType::kRotate: return "ROTATE";
    case EventType::kIntvar: return "INTVAR";
    case EventType::kLoad: return "LOAD";
    case EventType::kSlave: return "SLAVE";
    case EventType::kCreateFile: return "CREATE_FILE";
    case EventType::kAppendBlock: return "APPEND_BLOCK";
    case EventType::kExecLoad: return "EXEC_LOAD";
    case EventType::kDeleteFile: return "DELETE_FILE";
    case EventType::kNewLoad: return "NEW_LOAD";
    case EventType::kRand: return "RAND";
    case EventType::kUserVar: return "USER_VAR";
    case EventType::kFormatDescription: return "FORMAT_DESCRIPTION";
    case EventType::kXid: return "XID";
    case EventType::kBeginLoadQuery: return "BEGIN_LOAD_QUERY";
    case EventType::kExecuteLoadQuery: return "EXECUTE_LOAD_QUERY";
    case EventType::kTableMap: return "TABLE_MAP";
    case EventType::kPreGaWriteRows: return "PRE_GA_WRITE_ROWS";
    case EventType::kPreGaUpdateRows: return "PRE_GA_UPDATE_ROWS";
    case EventType::kPreGaDeleteRows: return "PRE_GA_DELETE_ROWS";
    case EventType::kWriteRowsV1: return "WRITE_ROWS_V1";
    case EventType::kUpdateRowsV1: return "UPDATE_ROWS_V1";
    case EventType::kDeleteRowsV1: return "DELETE_ROWS_V1";
    case EventType::kIncident: return "INCIDENT";
    case EventType::kHeartbeat: return "HEARTBEAT";
    case EventType::kIgnorable: return "IGNORABLE";
    case EventType::kRowsQuery: return "ROWS_QUERY";
    case EventType::kWriteRows: return "WRITE_ROWS";
    case EventType::kUpdateRows: return "UPDATE_ROWS";
    case EventType::kDeleteRows: return "DELETE_ROWS";
    case EventType::kGtid: return "GTID";
    case EventType::kAnonymousGtid: return "ANONYMOUS_GTID";
    case EventType::kPreviousGtids: return "PREVIOUS_GTIDS";
    case EventType::kTransactionContext: return "TRANSACTION_CONTEXT";
    case EventType::kViewChange: return "VIEW_CHANGE";
    case EventType::kXaPrepare: return "XA_PREPARE";
    case EventType::kPartialUpdateRows: return "PARTIAL_UPDATE_ROWS";
    case EventType::kTransactionPayload: return "TRANSACTION_PAYLOAD";
    case EventType::kHeartbeatV2: return "HEARTBEAT_V2";
    case EventType::kGtidTagged: return "GTID_TAGGED";
    case EventType::kMariaAnnotateRows: return "ANNOTATE_ROWS";
    case EventType::kMariaBinlogCheckpoint: return "BINLOG_CHECKPOINT";
    case EventType::kMariaGtid: return "MARIADB_GTID";
    case EventType::kMariaGtidList: return "GTID_LIST";
    case EventType::kMariaStartEncryption: return "START_ENCRYPTION";
    case EventType::kMariaQueryCompressed: return "QUERY_COMPRESSED";
    case EventType::kMariaWriteRowsCompressedV1: return "WRITE_ROWS_COMPRESSED_V1";
    case EventType::kMariaUpdateRowsCompressedV1: return "UPDATE_ROWS_COMPRESSED_V1";
    case EventType::kMariaDeleteRowsCompressedV1: return "DELETE_ROWS_COMPRESSED_V1";
    case EventType::kMariaWriteRowsCompressed: return "WRITE_ROWS_COMPRESSED";
    case EventType::kMariaUpdateRowsCompressed: return "UPDATE_ROWS_COMPRESSED";
    case EventType::kMariaDeleteRowsCompressed: return "DELETE_ROWS_COMPRESSED";
  }
  return "not a known type";
}

// Integer of the server's tagged serialization: the trailing one bits of the first byte count the bytes that follow.
uint64_t tagged_integer(ByteCursor& in) {
  uint8_t first = in.u8();
  unsigned more = 0;
  while (more < 8 && (first >> more & 1)) ++more;
  if (more == 8) return in.u64();
  uint64_t rest = in.le(more);
  uint64_t low = static_cast<uint64_t>(first) >> (more + 1);
  return more == 7 ? rest : low | rest << (7 - more);
}

int64_t tagged_signed(ByteCursor& in) {
  uint64_t raw = tagged_integer(in);
  uint64_t magnitude = raw >> 1;
  return static_cast<int64_t>(raw & 1 ? ~magnitude : magnitude);
}

// One status variable of a QUERY event; false for a code that is not known.
bool take_status_variable(uint8_t code, bool is_mariadb, ByteCursor& in, QueryEvent& out) {
  constexpr uint32_t kMariaExplicitTimestamps = 1U << 24;
  switch (code) {
    case 0: {
      uint32_t flags = in.u32();
      if (is_mariadb) out.explicit_timestamps = (flags & kMariaExplicitTimestamps) != 0;
      return true;
    }
    case 3:
    case 10: in.skip(4); return true;
    case 1:
      out.sql_mode = in.u64();
      out.ansi_quotes = (out.sql_mode & kSqlModeAnsiQuotes) != 0;
      return true;
    case 2: in.skip(static_cast<size_t>(in.u8()) + 1); return true;
    case 4:
      out.client_collation = in.u16();
      in.skip(2);
      out.server_collation = in.u16();
      return true;
    case 5:
    case 6: in.skip(in.u8()); return true;
    case 7:
    case 8: in.skip(2); return true;
    case 18: out.utf8mb4_collation = in.u16(); return true;
    case 9:
    case 17:
    case 129: in.skip(8); return true;
    case 11:
      in.skip(in.u8());
      in.skip(in.u8());
      return true;
    case 12: {
      uint8_t count = in.u8();
      for (uint8_t i = 0; count != 254 && i < count && !in.failed(); ++i) {
        while (!in.failed() && in.u8() != 0) {
        }
      }
      return true;
    }
    case 13:
    case 128: out.microseconds = in.u24(); return true;
    case 16: out.explicit_timestamps = in.u8() != 0; return true;
    case 19:
    case 20: in.skip(1); return true;
    case 131: {
      uint8_t count = in.u8();
      for (uint8_t i = 0; i < count && !in.failed(); ++i) {
        uint16_t from = in.u16();
        out.charset_collations.emplace_back(from, in.u16());
      }
      return true;
    }
    default: return false;  // codes ascend: what follows is newer than us and tells nothing we need
  }
}

}  // namespace

std::string event_type_name(uint8_t type) { return fmt::format("{} ({})", base_name(type), type); }

EventHeader parse_event_header(const char* bytes) noexcept {
  ByteCursor in(bytes, kEventHeaderSize);
  EventHeader header;
  header.timestamp = in.u32();
  header.type = in.u8();
  header.server_id = in.u32();
  header.length = in.u32();
  header.next_offset = in.u32();
  header.flags = in.u16();
  return header;
}

Result<FormatDescription> parse_format_description(std::string_view body) {
  ByteCursor in(body);
  FormatDescription format;
  format.version = in.u16();
  std::string_view version = in.bytes(50);
  format.server_version = std::string(version.substr(0, version.find('\0')));
  in.skip(4);
  uint8_t header_length = in.u8();
  if (in.failed()) return malformed("FORMAT_DESCRIPTION");
  if (format.version != 4 || header_length != kEventHeaderSize) {
    return Status(
        ErrorCode::kSourceUnsupported,
        fmt::format("binary log format version {} with event headers of {} bytes; only version 4 is read", format.version, header_length));
  }
  format.is_mariadb = format.server_version.find("MariaDB") != std::string::npos;
  uint32_t number = version_number(format.server_version);
  // MariaDB may put "5.5.5-" before its own version for old replicas.
  if (format.is_mariadb && format.server_version.rfind("5.5.5-", 0) == 0) {
    number = version_number(std::string_view(format.server_version).substr(6));
  }
  bool knows_checksum = number >= (format.is_mariadb ? 5003000U : 5006001U);
  size_t tail = knows_checksum ? 5 : 0;
  if (in.remaining() < tail) return malformed("FORMAT_DESCRIPTION");
  std::string_view lengths = in.bytes(in.remaining() - tail);
  for (size_t i = 0; i < lengths.size() && i + 1 < format.post_header.size(); ++i) {
    format.post_header[i + 1] = static_cast<uint8_t>(lengths[i]);
  }
  if (knows_checksum) {
    uint8_t algorithm = in.u8();
    if (algorithm > 1 && algorithm != 255) {
      return Status(ErrorCode::kSourceUnsupported, fmt::format("binary log checksum algorithm {}", algorithm));
    }
    format.has_checksum = algorithm == 1;
  }
  return format;
}

Result<RotateEvent> parse_rotate(std::string_view body, const FormatDescription&) {
  ByteCursor in(body);
  RotateEvent event;
  event.offset = in.u64();
  event.file = in.rest();
  if (in.failed() || !is_log_file_name(event.file)) return malformed("ROTATE");
  return event;
}

Result<QueryEvent> parse_query(std::string_view body, const FormatDescription& format) {
  ByteCursor in(body);
  QueryEvent event;
  in.skip(8);  // thread, execution time
  uint8_t database_length = in.u8();
  event.error_code = in.u16();
  uint8_t post_header = format.post_header[static_cast<size_t>(EventType::kQuery)];
  uint16_t variables_length = 0;
  if (post_header >= 13 || post_header == 0) {
    variables_length = in.u16();
    if (post_header > 13) in.skip(post_header - 13U);
  }
  ByteCursor variables(in.bytes(variables_length));
  while (!variables.empty() && !variables.failed()) {
    if (!take_status_variable(variables.u8(), format.is_mariadb, variables, event)) break;
  }
  if (variables.failed()) return malformed("QUERY");
  event.database = in.bytes(database_length);
  in.skip(1);
  event.sql = in.rest();
  if (in.failed()) return malformed("QUERY");
  return event;
}

Result<GtidEvent> parse_mysql_gtid(std::string_view body) {
  ByteCursor in(body);
  GtidEvent event;
  in.skip(1);
  std::string_view uuid = in.bytes(16);
  event.gtid.number = in.u64();
  if (in.failed() || event.gtid.number >= kGtidNumberEnd) return malformed("GTID");
  std::memcpy(event.gtid.uuid.data(), uuid.data(), 16);
  if (in.empty() || in.u8() != 2) return event;
  in.skip(16);
  if (in.failed()) return malformed("GTID");
  if (in.remaining() >= 7) event.commit_time_us = in.le(7) & ~(1ULL << 55);
  return event;
}

Result<GtidEvent> parse_tagged_gtid(std::string_view body) {
  ByteCursor in(body);
  GtidEvent event;
  tagged_integer(in);  // version of the form
  tagged_integer(in);  // size
  uint64_t last_needed = tagged_integer(in);
  // Fields come in order of their numbers; those up to `last_needed` must be understood.
  bool done = false;
  while (!done && !in.empty() && !in.failed()) {
    uint64_t field = tagged_integer(in);
    switch (field) {
      case 0: tagged_integer(in); break;  // flags
      case 1:
        for (uint8_t& byte : event.gtid.uuid) byte = static_cast<uint8_t>(tagged_integer(in));
        break;
      case 2: event.gtid.number = static_cast<uint64_t>(tagged_signed(in)); break;
      case 3: {
        std::string_view tag = in.bytes(tagged_integer(in));
        if (!is_gtid_tag(tag)) in.fail();
        event.gtid.tag = std::string(tag);
        break;
      }
      case 4:
      case 5: tagged_signed(in); break;  // logical clock
      case 6: event.commit_time_us = tagged_integer(in); break;
      case 7:
      case 8:
      case 9:
      case 10:
      case 11: tagged_integer(in); break;
      default: done = true; break;
    }
    if (done && field <= last_needed) {
      return Status(ErrorCode::kSourceUnknownEvent, fmt::format("field {} of a tagged GTID event", field));
    }
  }
  if (in.failed() || event.gtid.number == 0 || event.gtid.number >= kGtidNumberEnd) return malformed("GTID_TAGGED");
  return event;
}

Result<MariaGtidEvent> parse_maria_gtid(std::string_view body) {
  ByteCursor in(body);
  MariaGtidEvent event;
  event.sequence = in.u64();
  event.domain = in.u32();
  event.flags = in.u8();
  if (in.failed()) return malformed("MARIADB_GTID");
  return event;
}

Result<XaPrepareEvent> parse_xa_prepare(std::string_view body) {
  XaPrepareEvent event;
  ByteCursor in(body);
  event.one_phase = in.u8() != 0;
  uint32_t format = in.u32();
  uint32_t gtrid = in.u32();
  uint32_t bqual = in.u32();
  constexpr uint32_t kMaxPart = 64;
  if (in.failed() || gtrid > kMaxPart || bqual > kMaxPart) return Status(ErrorCode::kSourceCorrupt, "malformed XA_PREPARE event");
  auto hex = [&](uint32_t size) {
    event.xid += "x'";
    for (char c : in.bytes(size)) fmt::format_to(std::back_inserter(event.xid), "{:02x}", static_cast<uint8_t>(c));
    event.xid += "',";
  };
  hex(gtrid);
  hex(bqual);
  if (in.failed()) return Status(ErrorCode::kSourceCorrupt, "malformed XA_PREPARE event");
  event.xid += std::to_string(format);
  return event;
}

}  // namespace tailrace
