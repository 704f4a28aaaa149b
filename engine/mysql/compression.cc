#include "mysql/compression.h"

#include <fmt/format.h>
#include <libdeflate.h>
#include <zstd.h>

#include <cstring>
#include <vector>

#include "base/byte_cursor.h"
#include "mysql/binlog_event.h"

namespace tailrace {
namespace {

// A length read from the log may claim anything; deflate cannot expand by more than this factor.
constexpr size_t kMaxRatio = 1040;
constexpr size_t kMaxUnpacked = size_t{1} << 30;

bool inflate(std::string_view packed, size_t unpacked_size, bool zlib_wrapped, std::string& out) {
  if (unpacked_size > kMaxUnpacked || unpacked_size / kMaxRatio > packed.size() + 16) return false;
  thread_local std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> inflater(libdeflate_alloc_decompressor(),
                                                                                                          &libdeflate_free_decompressor);
  if (!inflater) return false;
  size_t start = out.size();
  out.resize(start + unpacked_size);
  size_t got = 0;
  auto decompress = zlib_wrapped ? &libdeflate_zlib_decompress : &libdeflate_deflate_decompress;
  auto result = decompress(inflater.get(), packed.data(), packed.size(), out.data() + start, unpacked_size, &got);
  return result == LIBDEFLATE_SUCCESS && got == unpacked_size;
}

}  // namespace

uint32_t log_crc32(uint32_t seed, std::string_view bytes) noexcept { return libdeflate_crc32(seed, bytes.data(), bytes.size()); }

bool has_good_checksum(std::string_view event) noexcept {
  uint32_t stored = 0;
  if (event.size() < kEventHeaderSize + sizeof stored) return false;
  std::memcpy(&stored, event.data() + event.size() - sizeof stored, sizeof stored);
  return log_crc32(0, event.substr(0, event.size() - sizeof stored)) == stored;
}

bool unpack_column(std::string_view bytes, std::string& out) {
  if (bytes.empty()) return true;
  ByteCursor in(bytes);
  uint8_t head = in.u8();
  if (head == 0) {  // stored as it is
    out.append(in.rest());
    return true;
  }
  if (head >> 4 != 8) return false;
  bool raw = (head & 8) != 0;
  size_t length = in.be(head & 7);
  return !in.failed() && inflate(in.rest(), length, !raw, out);
}

bool unpack_event_part(std::string_view bytes, std::string& out) {
  ByteCursor in(bytes);
  uint8_t head = in.u8();
  if ((head & 0xF0) != 0x80) return false;  // algorithm 0 is zlib
  size_t length = in.be(head & 7);
  return !in.failed() && inflate(in.rest(), length, true, out);
}

struct PayloadReader::State {
  std::string_view packed;
  size_t packed_at = 0;
  bool is_plain = false;
  bool frame_complete = false;
  std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream{nullptr, &ZSTD_freeDStream};
  std::vector<char> window;  // decompressed, not yet handed out
  size_t begin = 0, end = 0;
};

PayloadReader::PayloadReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
PayloadReader::~PayloadReader() = default;

Result<std::unique_ptr<PayloadReader>> PayloadReader::open(std::string_view body) {
  auto bad = [] { return Status(ErrorCode::kSourceCorrupt, "malformed TRANSACTION_PAYLOAD event"); };
  ByteCursor in(body);
  uint64_t size = 0;
  uint64_t method = 0;
  while (true) {
    uint64_t field = in.lenenc();
    if (in.failed()) return bad();
    if (field == 0) break;  // end of the header
    ByteCursor value(in.bytes(in.lenenc()));
    if (field == 1) size = value.lenenc();
    if (field == 2) method = value.lenenc();
    if (in.failed() || value.failed()) return bad();
  }
  auto state = std::make_unique<State>();
  state->packed = in.bytes(size ? size : in.remaining());
  if (in.failed()) return bad();
  if (method == 255) {
    state->is_plain = true;
  } else if (method == 0) {
    state->stream.reset(ZSTD_createDStream());
    if (!state->stream) return Status(ErrorCode::kOutOfMemory, "no memory to decompress a transaction");
  } else {
    return Status(ErrorCode::kSourceUnsupported, fmt::format("transaction compressed by method {}", method));
  }
  return std::unique_ptr<PayloadReader>(new PayloadReader(std::move(state)));
}

Status PayloadReader::fill(size_t wanted) {
  State& s = *state_;
  auto bad = [] { return Status(ErrorCode::kSourceCorrupt, "a compressed transaction cannot be decompressed"); };
  if (s.end - s.begin >= wanted) return Status();
  if (s.begin != 0) {
    std::memmove(s.window.data(), s.window.data() + s.begin, s.end - s.begin);
    s.end -= s.begin;
    s.begin = 0;
  }
  while (s.end < wanted) {
    size_t step = ZSTD_DStreamOutSize();
    if (s.window.size() < s.end + step) s.window.resize(s.end + step);
    if (s.is_plain) {
      size_t n = std::min(step, s.packed.size() - s.packed_at);
      if (n == 0) return Status();
      std::memcpy(s.window.data() + s.end, s.packed.data() + s.packed_at, n);
      s.packed_at += n;
      s.end += n;
      continue;
    }
    if (s.packed_at == s.packed.size() && s.frame_complete) return Status();
    ZSTD_inBuffer from{s.packed.data(), s.packed.size(), s.packed_at};
    ZSTD_outBuffer to{s.window.data() + s.end, step, 0};
    size_t result = ZSTD_decompressStream(s.stream.get(), &to, &from);
    if (ZSTD_isError(result)) return bad();
    bool moved = to.pos != 0 || from.pos != s.packed_at;
    s.packed_at = from.pos;
    s.end += to.pos;
    s.frame_complete = result == 0;
    if (!moved) return bad();  // the input ends inside a frame
  }
  return Status();
}

Result<std::string_view> PayloadReader::next() {
  State& s = *state_;
  TAILRACE_OK(fill(kEventHeaderSize));
  size_t have = s.end - s.begin;
  if (have == 0) return std::string_view();
  auto cut = [] { return Status(ErrorCode::kSourceCorrupt, "a compressed transaction ends in the middle of an event"); };
  if (have < kEventHeaderSize) return cut();
  EventHeader header = parse_event_header(s.window.data() + s.begin);
  if (header.length < kEventHeaderSize || header.length > kMaxUnpacked) return cut();
  TAILRACE_OK(fill(header.length));
  if (s.end - s.begin < header.length) return cut();
  std::string_view event(s.window.data() + s.begin, header.length);
  s.begin += header.length;
  return event;
}

}  // namespace tailrace
