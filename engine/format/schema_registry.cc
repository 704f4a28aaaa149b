#include "format/schema_registry.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/options.h"
#include "format/json_writer.h"

namespace tailrace {
namespace {

constexpr int kTimeoutSeconds = 10;
constexpr size_t kMaxAnswer = 1u << 20;
constexpr uint16_t kDefaultPort = 8081;

Status failed(const Url& url, std::string detail) {
  return Status(ErrorCode::kFormatRegistry, std::move(detail)).with("registry", fmt::format("{}:{}", url.host, url.port));
}

class Socket {
 public:
  Socket() = default;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  // What went wrong, or "".
  std::string connect_to(const Url& url) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    int error = getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
    if (error != 0) return gai_strerror(error);
    std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    std::string why = "no address";
    for (addrinfo* at = found; at; at = at->ai_next) {
      if (fd_ >= 0) close(fd_);
      fd_ = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
      if (fd_ < 0) return std::strerror(errno);
      timeval limit{kTimeoutSeconds, 0};
      setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      if (connect(fd_, at->ai_addr, at->ai_addrlen) == 0) return "";
      why = std::strerror(errno);
    }
    return why;
  }
  bool send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // Everything until the other side closes. False: an error, or too much.
  bool receive_all(std::string& out) {
    char buffer[4096];
    while (out.size() < kMaxAnswer) {
      ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
      if (n == 0) return true;
      if (n < 0) return false;
      out.append(buffer, static_cast<size_t>(n));
    }
    return false;
  }

 private:
  int fd_ = -1;
};

struct Answer {
  int status = 0;
  std::string body;
};

// The parts of a chunked body put together; nothing when it is damaged.
bool join_chunks(std::string_view body, std::string& out) {
  while (true) {
    size_t line = body.find("\r\n");
    if (line == std::string_view::npos) return false;
    size_t size = std::strtoul(std::string(body.substr(0, line)).c_str(), nullptr, 16);
    body.remove_prefix(line + 2);
    if (size == 0) return true;
    if (body.size() < size + 2) return false;
    out += body.substr(0, size);
    body.remove_prefix(size + 2);
  }
}

bool parse_answer(std::string_view text, Answer& out) {
  size_t head_end = text.find("\r\n\r\n");
  if (head_end == std::string_view::npos || text.substr(0, 7) != "HTTP/1." || text.size() < 12) return false;
  out.status = std::atoi(std::string(text.substr(9, 3)).c_str());
  std::string head(text.substr(0, head_end));
  for (char& c : head) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  std::string_view body = text.substr(head_end + 4);
  if (head.find("transfer-encoding: chunked") != std::string::npos) return join_chunks(body, out.body);
  out.body = body;
  return true;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string login_header(const Url& url) {
  if (url.user.empty()) return "";
  std::string plain = url.user + ":" + url.password, encoded(base64_size(plain.size()), '\0');
  put_base64(encoded.data(), plain);
  return "Authorization: Basic " + encoded + "\r\n";
}

}  // namespace

Result<uint32_t> register_schema(std::string_view text, std::string_view subject, std::string_view schema) {
  TAILRACE_TRY(Url url, parse_url(text));
  if (url.scheme == "https") {
    return Status(ErrorCode::kConfigBadValue,
                  fmt::format("registry: {} is https, which is not supported; give the http address of a local proxy to it, "
                              "or schema_id instead of the registry",
                              redact_url(text)));
  }
  if (url.scheme != "http") {
    return Status(ErrorCode::kConfigBadValue, fmt::format("registry: http://host:port expected, got {}", redact_url(text)));
  }
  if (url.port == 0) url.port = kDefaultPort;
  while (!url.path.empty() && url.path.back() == '/') url.path.pop_back();
  while (!url.path.empty() && url.path.front() == '/') url.path.erase(0, 1);
  std::string body = nlohmann::json{{"schema", schema}}.dump();
  std::string request = fmt::format(
      "POST {}/subjects/{}/versions HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n"
      "Accept: application/vnd.schemaregistry.v1+json\r\n{}Connection: close\r\nContent-Length: {}\r\n\r\n{}",
      url.path.empty() ? "" : "/" + url.path, percent_encoded(subject), url.host, url.port, login_header(url), body.size(), body);
  Socket socket;
  if (std::string why = socket.connect_to(url); !why.empty()) return failed(url, fmt::format("cannot be reached: {}", why));
  std::string received;
  Answer answer;
  if (!socket.send_all(request) || !socket.receive_all(received) || !parse_answer(received, answer)) {
    return failed(url, "gave no answer that can be understood");
  }
  auto said = nlohmann::json::parse(answer.body, nullptr, false);
  if (answer.status != 200) {
    std::string message = answer.body.substr(0, 200);
    if (said.is_object() && said.contains("message") && said["message"].is_string()) message = said["message"];
    std::string_view what = answer.status == 409                           ? "holds a schema that this one is not compatible with"
                            : answer.status == 401 || answer.status == 403 ? "refuses the login"
                                                                           : "refuses the schema";
    return std::move(failed(url, fmt::format("{} (HTTP {}): {}", what, answer.status, message))).with("subject", std::string(subject));
  }
  if (!said.is_object() || !said.contains("id") || !said["id"].is_number_unsigned() || said["id"].get<uint64_t>() > UINT32_MAX) {
    return failed(url, fmt::format("gave no number for the schema: {}", answer.body.substr(0, 200)));
  }
  return said["id"].get<uint32_t>();
}

}  // namespace tailrace
