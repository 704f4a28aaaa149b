#include "mysql/greeting.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "base/byte_cursor.h"

namespace tailrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint16_t kClientSsl = 0x0800;
constexpr uint8_t kErrorPacket = 0xFF;

struct Socket {
  int fd = -1;
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

bool wait_for(int fd, short events, Clock::time_point until) {
  while (true) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd entry{fd, events, 0};
    int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// 0 or an errno.
int connect_to(const addrinfo& address, Clock::time_point until, Socket& out) {
  out.fd = ::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol);
  if (out.fd < 0) return errno;
  if (::connect(out.fd, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!wait_for(out.fd, POLLOUT, until)) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(out.fd, SOL_SOCKET, SO_ERROR, &error, &size) ? errno : error;
}

// Reads exactly `size` bytes; 0 or an errno.
int read_all(int fd, char* to, size_t size, Clock::time_point until) {
  while (size) {
    if (!wait_for(fd, POLLIN, until)) return ETIMEDOUT;
    ssize_t got = ::recv(fd, to, size, 0);
    if (got == 0) return ECONNRESET;
    if (got < 0 && errno != EINTR && errno != EAGAIN) return errno;
    if (got < 0) continue;
    to += got;
    size -= static_cast<size_t>(got);
  }
  return 0;
}

}  // namespace

Result<bool> server_offers_tls(const std::string& host, uint16_t port, int64_t timeout_us) {
  auto bad = [&](std::string_view why) {
    return Status(ErrorCode::kSourceConnect, std::string(why)).with("server", fmt::format("{}:{}", host, port));
  };
  auto until = Clock::now() + std::chrono::microseconds(timeout_us > 0 ? timeout_us : 10'000'000);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found)) return bad(::gai_strerror(error));
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(found, &::freeaddrinfo);
  Socket socket;
  int error = ECONNREFUSED;
  for (const addrinfo* address = found; address; address = address->ai_next) {
    Socket next;
    error = connect_to(*address, until, next);
    if (error) continue;
    std::swap(socket.fd, next.fd);
    break;
  }
  if (error) return bad(std::strerror(error));

  unsigned char header[4];
  if ((error = read_all(socket.fd, reinterpret_cast<char*>(header), 4, until))) return bad(std::strerror(error));
  size_t size = header[0] | header[1] << 8 | static_cast<size_t>(header[2]) << 16;
  if (size == 0 || size > 64 * 1024) return bad("what listens there is no MySQL server");
  std::string packet(size, '\0');
  if ((error = read_all(socket.fd, packet.data(), size, until))) return bad(std::strerror(error));

  ByteCursor in(packet);
  uint8_t version = in.u8();
  if (version == kErrorPacket) {  // too many connections, host blocked
    uint16_t number = in.u16();
    return bad(fmt::format("{} (error {})", in.rest(), number));
  }
  while (!in.failed() && in.u8() != 0) {
  }
  in.skip(4 + 8 + 1);  // session, scramble, filler
  uint16_t capabilities = in.u16();
  if (version != 10 || in.failed()) return bad("what listens there is no MySQL server");
  return (capabilities & kClientSsl) != 0;
}

}  // namespace tailrace
