#include "mysql/gtid.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/byte_cursor.h"

namespace tailrace {
namespace {

Status bad(std::string_view what, std::string_view text) {
  return Status(ErrorCode::kSourcePosition, fmt::format("'{}' is not {}", text, what));
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

bool parse_number(std::string_view text, uint64_t& out) {
  if (text.empty()) return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool parse_uuid(std::string_view text, std::array<uint8_t, 16>& out) {
  size_t n = 0;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '-') {
      ++i;
      continue;
    }
    if (i + 1 >= text.size() || n == 16) return false;
    int high = hex_digit(text[i]);
    int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    out[n++] = static_cast<uint8_t>(high << 4 | low);
    i += 2;
  }
  return n == 16;
}

std::string uuid_text(const std::array<uint8_t, 16>& uuid) {
  std::string out;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    fmt::format_to(std::back_inserter(out), "{:02x}", uuid[i]);
  }
  return out;
}

bool parse_tag(std::string_view text, std::string& out) {
  out.clear();
  for (char c : text) out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  return !out.empty() && is_gtid_tag(out);
}

template <class Each>
bool split(std::string_view text, char separator, Each each) {
  while (true) {
    size_t at = text.find(separator);
    if (!each(trim(text.substr(0, at)))) return false;
    if (at == std::string_view::npos) return true;
    text.remove_prefix(at + 1);
  }
}

void put_le(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

bool is_gtid_tag(std::string_view text) noexcept {
  if (text.size() > 32 || (!text.empty() && text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

std::string MysqlGtid::text() const {
  return tag.empty() ? fmt::format("{}:{}", uuid_text(uuid), number) : fmt::format("{}:{}:{}", uuid_text(uuid), tag, number);
}

Result<MysqlGtid> parse_mysql_gtid_text(std::string_view text) {
  MysqlGtid gtid;
  size_t first = text.find(':');
  size_t last = text.rfind(':');
  bool good = first != std::string_view::npos && parse_uuid(text.substr(0, first), gtid.uuid) &&
              parse_number(text.substr(last + 1), gtid.number) && gtid.number > 0 && gtid.number < kGtidNumberEnd &&
              (first == last || parse_tag(text.substr(first + 1, last - first - 1), gtid.tag));
  if (!good) return bad("a GTID of MySQL", text);
  return gtid;
}

Result<MysqlGtidSet> MysqlGtidSet::parse(std::string_view text) {
  MysqlGtidSet set;
  if (trim(text).empty()) return set;
  bool good = split(text, ',', [&](std::string_view part) {
    if (part.empty()) return true;
    std::array<uint8_t, 16> uuid{};
    std::string tag;
    bool first = true;
    return split(part, ':', [&](std::string_view piece) {
      if (first) {
        first = false;
        return parse_uuid(piece, uuid);
      }
      uint64_t from = 0;
      uint64_t to = 0;
      size_t dash = piece.find('-');
      if (!parse_number(trim(piece.substr(0, dash)), from)) return dash == std::string_view::npos && parse_tag(piece, tag);
      to = from;
      if (dash != std::string_view::npos && !parse_number(trim(piece.substr(dash + 1)), to)) return false;
      if (from == 0 || to < from || to >= kGtidNumberEnd) return false;
      set.add(uuid, tag, from, to + 1);
      return true;
    });
  });
  if (!good) return bad("a GTID set of MySQL", text);
  return set;
}

void MysqlGtidSet::add(const std::array<uint8_t, 16>& uuid, const std::string& tag, uint64_t first, uint64_t end) {
  auto& list = sets_[Key(uuid, tag)];
  if (!list.empty() && list.back().end == first) {  // the usual case: the next number
    list.back().end = end;
    return;
  }
  auto at = std::lower_bound(list.begin(), list.end(), first, [](const Interval& i, uint64_t v) { return i.end < v; });
  if (at == list.end() || at->first > end) {
    list.insert(at, {first, end});
    return;
  }
  at->first = std::min(at->first, first);
  at->end = std::max(at->end, end);
  auto next = at + 1;
  while (next != list.end() && next->first <= at->end) {
    at->end = std::max(at->end, next->end);
    next = list.erase(next);
  }
}

void MysqlGtidSet::merge(const MysqlGtidSet& other) {
  for (const auto& [key, list] : other.sets_) {
    for (const Interval& i : list) add(key.first, key.second, i.first, i.end);
  }
}

bool MysqlGtidSet::contains(const MysqlGtid& gtid) const {
  auto found = sets_.find(Key(gtid.uuid, gtid.tag));
  if (found == sets_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](const Interval& i) { return gtid.number >= i.first && gtid.number < i.end; });
}

bool MysqlGtidSet::contains(const MysqlGtidSet& other) const {
  for (const auto& [key, list] : other.sets_) {
    auto found = sets_.find(key);
    if (found == sets_.end()) return false;
    for (const Interval& wanted : list) {
      bool inside = std::any_of(found->second.begin(), found->second.end(),
                                [&](const Interval& i) { return wanted.first >= i.first && wanted.end <= i.end; });
      if (!inside) return false;
    }
  }
  return true;
}

MysqlGtidSet MysqlGtidSet::missing(const MysqlGtidSet& other) const {
  MysqlGtidSet out;
  for (const auto& [key, list] : other.sets_) {
    auto found = sets_.find(key);
    for (const Interval& wanted : list) {
      uint64_t from = wanted.first;
      if (found != sets_.end()) {
        for (const Interval& have : found->second) {
          if (have.end <= from) continue;
          if (have.first >= wanted.end) break;
          if (have.first > from) out.add(key.first, key.second, from, have.first);
          from = have.end;
        }
      }
      if (from < wanted.end) out.add(key.first, key.second, from, wanted.end);
    }
  }
  return out;
}

std::string MysqlGtidSet::text() const {
  std::string out;
  const std::array<uint8_t, 16>* last = nullptr;
  for (const auto& [key, list] : sets_) {
    if (!last || *last != key.first) {
      if (last) out.push_back(',');
      out += uuid_text(key.first);
    }
    last = &key.first;
    if (!key.second.empty()) out += ":" + key.second;
    for (const Interval& i : list) {
      fmt::format_to(std::back_inserter(out), ":{}", i.first);
      if (i.end != i.first + 1) fmt::format_to(std::back_inserter(out), "-{}", i.end - 1);
    }
  }
  return out;
}

std::string MysqlGtidSet::encode() const {
  bool tagged = std::any_of(sets_.begin(), sets_.end(), [](const auto& s) { return !s.first.second.empty(); });
  std::string out;
  // The first 8 bytes: number of entries; in the tagged form, byte 0 and byte 7 hold the format number.
  if (tagged) {
    put_le(out, 1ULL | static_cast<uint64_t>(sets_.size()) << 8 | 1ULL << 56, 8);
  } else {
    put_le(out, sets_.size(), 8);
  }
  for (const auto& [key, list] : sets_) {
    out.append(reinterpret_cast<const char*>(key.first.data()), 16);
    if (tagged) {
      // Length of the tag in the variable-length integer of MySQL's serializer: 7 bits in one byte, shifted left.
      out.push_back(static_cast<char>(key.second.size() << 1));
      out += key.second;
    }
    put_le(out, list.size(), 8);
    for (const Interval& i : list) {
      put_le(out, i.first, 8);
      put_le(out, i.end, 8);
    }
  }
  return out;
}

Result<MysqlGtidSet> MysqlGtidSet::decode(std::string_view bytes) {
  ByteCursor in(bytes);
  uint64_t head = in.u64();
  bool tagged = head >> 56 == 1;
  uint64_t entries = tagged ? head >> 8 & 0xFFFFFFFFFFFFULL : head;
  MysqlGtidSet set;
  for (uint64_t n = 0; n < entries && !in.failed(); ++n) {
    std::array<uint8_t, 16> uuid{};
    std::string_view raw = in.bytes(16);
    std::copy(raw.begin(), raw.end(), uuid.begin());
    std::string tag;
    if (tagged) {
      uint8_t length = in.u8();
      std::string_view name = in.bytes(length >> 1);
      if (length & 1 || !is_gtid_tag(name)) in.fail();
      tag = std::string(name);
    }
    uint64_t intervals = in.u64();
    for (uint64_t i = 0; i < intervals && !in.failed(); ++i) {
      uint64_t first = in.u64();
      uint64_t end = in.u64();
      if (first == 0 || end <= first || end > kGtidNumberEnd) in.fail();
      if (!in.failed()) set.add(uuid, tag, first, end);
    }
  }
  if (in.failed()) return Status(ErrorCode::kSourceCorrupt, "a GTID set in the log is malformed");
  return set;
}

std::string MariaGtid::text() const { return fmt::format("{}-{}-{}", domain, server_id, sequence); }

Result<MariaGtid> parse_maria_gtid_text(std::string_view text) {
  uint64_t parts[3] = {};
  size_t n = 0;
  bool good = split(text, '-', [&](std::string_view part) { return n < 3 && parse_number(part, parts[n++]); });
  if (!good || n != 3 || parts[0] > UINT32_MAX || parts[1] > UINT32_MAX) return bad("a GTID of MariaDB", text);
  return MariaGtid{static_cast<uint32_t>(parts[0]), static_cast<uint32_t>(parts[1]), parts[2]};
}

Result<MariaGtidList> MariaGtidList::parse(std::string_view text) {
  MariaGtidList list;
  if (trim(text).empty()) return list;
  bool good = split(text, ',', [&](std::string_view part) {
    auto gtid = parse_maria_gtid_text(part);
    if (gtid.ok()) list.set(*gtid);
    return gtid.ok();
  });
  if (!good) return bad("a GTID position of MariaDB", text);
  return list;
}

bool MariaGtidList::contains(const MariaGtid& gtid) const {
  auto found = last_.find(gtid.domain);
  return found != last_.end() && gtid.sequence <= found->second.sequence;
}

bool MariaGtidList::contains(const MariaGtidList& other) const {
  return std::all_of(other.last_.begin(), other.last_.end(), [&](const auto& entry) { return contains(entry.second); });
}

Result<MariaGtidList> MariaGtidList::decode(std::string_view bytes) {
  ByteCursor in(bytes);
  uint32_t count = in.u32() & 0x0FFFFFFF;  // the rest are flags
  MariaGtidList list;
  for (uint32_t i = 0; i < count && !in.failed(); ++i) {
    MariaGtid gtid;
    gtid.domain = in.u32();
    gtid.server_id = in.u32();
    gtid.sequence = in.u64();
    if (!in.failed()) list.set(gtid);
  }
  if (in.failed()) return Status(ErrorCode::kSourceCorrupt, "malformed GTID_LIST event");
  return list;
}

const MariaGtid* MariaGtidList::find(uint32_t domain) const {
  auto found = last_.find(domain);
  return found == last_.end() ? nullptr : &found->second;
}

Result<MariaGtidState> MariaGtidState::parse(std::string_view text) {
  MariaGtidState state;
  if (trim(text).empty()) return state;
  bool good = split(text, ',', [&](std::string_view part) {
    auto gtid = parse_maria_gtid_text(part);
    if (gtid.ok()) {
      uint64_t& last = state.last_[{gtid->domain, gtid->server_id}];
      last = std::max(last, gtid->sequence);
    }
    return gtid.ok();
  });
  if (!good) return bad("a GTID state of MariaDB", text);
  return state;
}

bool MariaGtidState::contains(const MariaGtid& gtid) const {
  auto found = last_.find({gtid.domain, gtid.server_id});
  return found != last_.end() && gtid.sequence <= found->second;
}

uint64_t MariaGtidState::highest(uint32_t domain) const {
  uint64_t highest = 0;
  for (const auto& [key, sequence] : last_) {
    if (key.first == domain) highest = std::max(highest, sequence);
  }
  return highest;
}

std::string MariaGtidList::text() const {
  std::string out;
  for (const auto& [domain, gtid] : last_) {
    if (!out.empty()) out.push_back(',');
    out += gtid.text();
  }
  return out;
}

bool is_maria_gtid_text(std::string_view text) noexcept { return text.find(':') == std::string_view::npos; }

std::string LogPosition::text() const {
  std::string out;
  if (has_gtid) out = "gtid=" + gtid;
  if (!file.empty()) fmt::format_to(std::back_inserter(out), "{}file={};offset={}", out.empty() ? "" : ";", file, offset);
  if (!server.empty()) fmt::format_to(std::back_inserter(out), "{}server={}", out.empty() ? "" : ";", server);
  if (!restart) return out;
  if (restart->has_gtid) out += ";xa_gtid=" + restart->gtid;
  if (!restart->file.empty()) fmt::format_to(std::back_inserter(out), ";xa_file={};xa_offset={}", restart->file, restart->offset);
  return out;
}

Result<LogPosition> parse_log_position(const Position& position) {
  LogPosition out, earlier;
  bool has_offset = false, has_earlier = false;
  bool good = split(position.text, ';', [&](std::string_view part) {
    if (part.empty()) return true;
    size_t equals = part.find('=');
    if (equals == std::string_view::npos) return false;
    std::string_view name = trim(part.substr(0, equals));
    std::string_view value = trim(part.substr(equals + 1));
    bool is_earlier = name.substr(0, 3) == "xa_";
    LogPosition& to = is_earlier ? earlier : out;
    if (is_earlier) name.remove_prefix(3);
    has_earlier = has_earlier || is_earlier;
    if (name == "gtid") {
      to.has_gtid = true;
      to.gtid = std::string(value);
    } else if (name == "file") {
      to.file = std::string(value);
    } else if (name == "offset") {
      has_offset = has_offset || !is_earlier;
      return parse_number(value, to.offset);
    } else if (name == "server") {
      to.server = std::string(value);
    } else {
      return false;
    }
    return true;
  });
  bool no_place = has_earlier && !earlier.has_gtid && earlier.file.empty();
  if (!good || no_place || (!out.has_gtid && out.file.empty()) || (has_offset && out.file.empty())) {
    return bad("a position (gtid=…;file=…;offset=…)", position.text);
  }
  if (!out.file.empty() && out.offset < 4) out.offset = 4;
  earlier.server = out.server;
  if (has_earlier) out.restart = std::make_shared<const LogPosition>(std::move(earlier));
  return out;
}

bool log_position_reached(const LogPosition& at, const LogPosition& target) {
  bool both = at.has_gtid && target.has_gtid && !target.gtid.empty();
  bool files = at.same_log(target);
  if (both && (!files || !is_maria_gtid_text(target.gtid))) {
    if (is_maria_gtid_text(target.gtid)) {
      auto have = MariaGtidList::parse(at.gtid);
      auto want = MariaGtidList::parse(target.gtid);
      return have.ok() && want.ok() && have->contains(*want);
    }
    auto have = MysqlGtidSet::parse(at.gtid);
    auto want = MysqlGtidSet::parse(target.gtid);
    if (!have.ok() || !want.ok() || !have->contains(*want)) return false;
    // The same set may stand before or after events that have no GTID.
    return !files || !want->contains(*have) || compare_log_files(at.file, target.file) != 0 || at.offset >= target.offset;
  }
  // Of another server's log only the set tells: that of a server that has logged nothing is behind every other.
  if (!files) return at.has_gtid && target.has_gtid && target.gtid.empty() && !target.file.empty();
  int order = compare_log_files(at.file, target.file);
  return order > 0 || (order == 0 && at.offset >= target.offset);
}

bool is_log_file_name(std::string_view name) noexcept {
  constexpr size_t kLongest = 512;
  if (name.empty() || name.size() > kLongest || trim(name).size() != name.size()) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != ';'; });
}

int compare_log_files(std::string_view a, std::string_view b) noexcept {
  auto number = [](std::string_view name, uint64_t& out) {
    size_t dot = name.rfind('.');
    return dot != std::string_view::npos && parse_number(name.substr(dot + 1), out);
  };
  uint64_t x = 0;
  uint64_t y = 0;
  if (number(a, x) && number(b, y)) return x < y ? -1 : x > y ? 1 : 0;
  return a.compare(b);
}

}  // namespace tailrace
