#include "format/http_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <memory>

namespace tailrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kLimit = std::chrono::seconds(10);
constexpr int kSliceMs = 50;  // between looks at whether somebody wants to stop
constexpr size_t kMaxAnswer = 1u << 20;

Status unreachable(std::string why) { return Status(ErrorCode::kFormatRegistry, fmt::format("cannot be reached: {}", why)); }

// A connection that waits with a limit.
class Socket {
 public:
  explicit Socket(const std::function<bool()>& is_over) : is_over_(is_over) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { shut(); }

  Status connect_to(const HttpServer& server) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    int error = getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
    if (error != 0) return unreachable(gai_strerror(error));
    std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    int why = EHOSTUNREACH;
    for (addrinfo* at = found; at; at = at->ai_next) {
      shut();
      fd_ = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
      if (fd_ < 0) return unreachable(std::strerror(errno));
      if (connect(fd_, at->ai_addr, at->ai_addrlen) == 0) return {};
      why = errno;
      if (why != EINPROGRESS) continue;
      TAILRACE_OK(wait(POLLOUT));
      socklen_t size = sizeof why;
      getsockopt(fd_, SOL_SOCKET, SO_ERROR, &why, &size);
      if (why == 0) return {};
    }
    return unreachable(std::strerror(why));
  }
  Status send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0) {
        bytes.remove_prefix(static_cast<size_t>(n));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        TAILRACE_OK(wait(POLLOUT));
      } else if (errno != EINTR) {
        return unreachable(std::strerror(errno));
      }
    }
    return {};
  }
  // 0 at the end.
  Result<size_t> receive(char* to, size_t most) {
    while (true) {
      ssize_t n = recv(fd_, to, most, 0);
      if (n >= 0) return static_cast<size_t>(n);
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        TAILRACE_OK(wait(POLLIN));
      } else if (errno != EINTR) {
        return unreachable(std::strerror(errno));
      }
    }
  }

 private:
  Status wait(short events) {
    while (true) {
      if (is_over_ && is_over_()) return Status(ErrorCode::kJobAborted, "while the schema registry was asked");
      if (Clock::now() > deadline_) return unreachable(fmt::format("no answer within {} s", kLimit.count()));
      pollfd asked{fd_, events, 0};
      if (poll(&asked, 1, kSliceMs) > 0) return {};
    }
  }
  void shut() noexcept {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  const std::function<bool()>& is_over_;
  const Clock::time_point deadline_ = Clock::now() + kLimit;
  int fd_ = -1;
};

struct Deleter {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};

std::string last_error() {
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* text = code ? ERR_reason_error_string(code) : nullptr;
  return text ? text : "the connection was closed";
}

// TLS over a Socket. The library works on memory, so that waiting and signals stay the socket's matter.
class Tls {
 public:
  explicit Tls(Socket& socket) : socket_(socket) {}

  Status open(const HttpServer& server) {
    ERR_clear_error();
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!context_) return Status(ErrorCode::kInternal, fmt::format("no TLS context: {}", last_error()));
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    bool has_ca = server.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context_.get()) == 1
                                         : SSL_CTX_load_verify_locations(context_.get(), server.ca_file.c_str(), nullptr) == 1;
    if (!has_ca) {
      return Status(ErrorCode::kConfigBadValue,
                    fmt::format("registry_ca: no certificates can be read from {}: {}", server.ca_file, last_error()));
    }
    ssl_.reset(SSL_new(context_.get()));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    if (!ssl_ || !in_ || !out_) return Status(ErrorCode::kInternal, "no memory for TLS");
    SSL_set_bio(ssl_.get(), in_, out_);  // now its own
    SSL_set_connect_state(ssl_.get());
    // A certificate names hosts or addresses; only a host is told to the server.
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), server.host.c_str()) != 1) {
      SSL_set1_host(ssl_.get(), server.host.c_str());
      SSL_set_tlsext_host_name(ssl_.get(), server.host.c_str());
    }
    ERR_clear_error();
    TAILRACE_TRY(int done, drive([&] { return SSL_do_handshake(ssl_.get()); }));
    if (done == 1) return {};
    long verdict = SSL_get_verify_result(ssl_.get());
    if (verdict != X509_V_OK) {
      return Status(
          ErrorCode::kFormatRegistryRefused,
          fmt::format("the certificate is not to be trusted: {} (registry_ca names the authority's certificate; the host must be one "
                      "that the certificate names)",
                      X509_verify_cert_error_string(verdict)));
    }
    return Status(ErrorCode::kFormatRegistryRefused, fmt::format("no TLS: {} (does it speak http instead of https?)", last_error()));
  }
  Status send_all(std::string_view bytes) {
    TAILRACE_TRY(int n, drive([&] { return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())); }));
    return n > 0 ? Status() : unreachable(last_error());
  }
  Result<size_t> receive(char* to, size_t most) {
    TAILRACE_TRY(int n, drive([&] { return SSL_read(ssl_.get(), to, static_cast<int>(most)); }));
    return n > 0 ? static_cast<size_t>(n) : 0;
  }

 private:
  // Does the step, moving bytes between the library and the socket, until it is done (> 0) or has failed.
  template <class Step>
  Result<int> drive(Step step) {
    while (true) {
      int done = step();
      int why = done > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), done);
      char bytes[4096];
      for (int n; (n = BIO_read(out_, bytes, sizeof bytes)) > 0;) {
        TAILRACE_OK(socket_.send_all({bytes, static_cast<size_t>(n)}));
      }
      if (why != SSL_ERROR_WANT_READ) return done;
      TAILRACE_TRY(size_t got, socket_.receive(bytes, sizeof bytes));
      if (got == 0) return 0;
      BIO_write(in_, bytes, static_cast<int>(got));
    }
  }

  Socket& socket_;
  std::unique_ptr<SSL_CTX, Deleter> context_;
  std::unique_ptr<SSL, Deleter> ssl_;
  BIO *in_ = nullptr, *out_ = nullptr;  // of ssl_
};

// The parts of a chunked body put together; nothing while some are missing.
std::optional<std::string> join_chunks(std::string_view body) {
  std::string out;
  while (true) {
    size_t line = body.find("\r\n");
    size_t size = 0;
    if (line == std::string_view::npos || std::from_chars(body.data(), body.data() + line, size, 16).ec != std::errc()) return {};
    body.remove_prefix(line + 2);
    if (size == 0) return out;
    if (body.size() < size || body.size() - size < 2) return {};
    out += body.substr(0, size);
    body.remove_prefix(size + 2);
  }
}

template <class Wire>
Result<HttpAnswer> exchange(Wire& wire, std::string_view request) {
  TAILRACE_OK(wire.send_all(request));
  std::string received;
  char buffer[4096];
  while (received.size() < kMaxAnswer) {
    TAILRACE_TRY(size_t n, wire.receive(buffer, sizeof buffer));
    received.append(buffer, n);
    if (auto answer = parse_http_answer(received, n == 0)) return std::move(*answer);
    if (n == 0) break;
  }
  return Status(ErrorCode::kFormatRegistry, "gave no answer that can be understood");
}

}  // namespace

std::optional<HttpAnswer> parse_http_answer(std::string_view text, bool at_end) {
  size_t head_end = text.find("\r\n\r\n");
  if (head_end == std::string_view::npos || text.substr(0, 7) != "HTTP/1.") return {};
  HttpAnswer answer;
  if (std::from_chars(text.data() + std::min<size_t>(9, head_end), text.data() + std::min<size_t>(12, head_end), answer.status).ec !=
      std::errc()) {
    return {};
  }
  std::string head(text.substr(0, head_end));
  for (char& c : head) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  std::string_view body = text.substr(head_end + 4);
  if (head.find("transfer-encoding: chunked") != std::string::npos) {
    auto joined = join_chunks(body);
    if (!joined) return {};
    answer.body = std::move(*joined);
    return answer;
  }
  constexpr std::string_view kLength = "\r\ncontent-length:";
  size_t length = 0;
  if (size_t at = head.find(kLength); at != std::string::npos) {
    size_t digits = std::min(head.find_first_not_of(' ', at + kLength.size()), head.size());
    std::from_chars(head.data() + digits, head.data() + head.size(), length);
    if (body.size() < length) return {};
    body = body.substr(0, length);
  } else if (!at_end) {
    return {};
  }
  answer.body = body;
  return answer;
}

Result<HttpAnswer> http_exchange(const HttpServer& server, std::string_view request, const std::function<bool()>& is_over) {
  Socket socket(is_over);
  TAILRACE_OK(socket.connect_to(server));
  if (!server.tls) return exchange(socket, request);
  Tls tls(socket);
  TAILRACE_OK(tls.open(server));
  return exchange(tls, request);
}

}  // namespace tailrace
