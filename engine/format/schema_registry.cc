#include "format/schema_registry.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/options.h"
#include "format/json_writer.h"

namespace tailrace {
namespace {

constexpr uint16_t kDefaultPort = 8081, kDefaultTlsPort = 443;

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string login_header(std::string_view user, std::string_view password) {
  std::string plain = fmt::format("{}:{}", user, password), encoded(base64_size(plain.size()), '\0');
  put_base64(encoded.data(), plain);
  return fmt::format("Authorization: Basic {}\r\n", encoded);
}

Status refusal(int status, std::string_view message) {
  std::string_view what = "refuses the schema";
  std::string_view advice;
  if (status == 409) {
    what = "holds a schema that this one is not compatible with";
    advice = "; set the subject's compatibility to NONE, or use another subject";
  } else if (status == 401 || status == 403) {
    what = "refuses the login";
    advice = "; the user stands in `registry`, the password in `registry_password`, and the user needs the right to write the subject";
  }
  // Its own trouble passes; a refusal does not.
  ErrorCode code = status >= 500 || status == 408 || status == 429 ? ErrorCode::kFormatRegistry : ErrorCode::kFormatRegistryRefused;
  return Status(code, fmt::format("{} (HTTP {}): {}{}", what, status, message, advice));
}

}  // namespace

Result<SchemaRegistry> SchemaRegistry::at(std::string_view text, std::string_view password, std::string_view ca_file) {
  TAILRACE_TRY(Url url, parse_url(text));
  if ((url.scheme != "http" && url.scheme != "https") || url.host.empty()) {
    return Status(ErrorCode::kConfigBadValue,
                  fmt::format("registry: http://host:port or https://host:port expected, got {}", redact_url(text)));
  }
  if (!password.empty() && (url.user.empty() || url.has_password)) {
    return Status(ErrorCode::kConfigBadValue,
                  url.user.empty() ? fmt::format("registry_password goes with a user, as in {}://NAME@{}", url.scheme, url.host)
                                   : std::string("registry_password, and a password in `registry`: one of both expected"));
  }
  SchemaRegistry out;
  out.server_.host = url.host;
  out.server_.tls = url.scheme == "https";
  out.server_.port = url.port ? url.port : out.server_.tls ? kDefaultTlsPort : kDefaultPort;
  out.server_.ca_file = std::string(ca_file);
  if (!ca_file.empty() && !out.server_.tls) return Status(ErrorCode::kConfigBadValue, "registry_ca goes with a registry of https");
  std::string_view path = url.path;
  while (path.ends_with('/')) path.remove_suffix(1);
  while (path.starts_with('/')) path.remove_prefix(1);
  if (!path.empty()) out.path_ = fmt::format("/{}", path);
  if (!url.user.empty()) out.login_ = login_header(url.user, url.has_password ? std::string_view(url.password) : password);
  return out;
}

Result<uint32_t> SchemaRegistry::register_schema(std::string_view subject, std::string_view schema,
                                                 const std::function<bool()>& is_over) const {
  auto placed = [&](Status status) {
    return std::move(status).with("registry", fmt::format("{}:{}", server_.host, server_.port)).with("subject", std::string(subject));
  };
  std::string body = nlohmann::json{{"schema", schema}}.dump();
  bool is_v6 = server_.host.find(':') != std::string::npos;
  std::string request = fmt::format(
      "POST {}/subjects/{}/versions HTTP/1.1\r\nHost: {}{}{}:{}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n"
      "Accept: application/vnd.schemaregistry.v1+json\r\n{}Connection: close\r\nContent-Length: {}\r\n\r\n{}",
      path_, percent_encoded(subject), is_v6 ? "[" : "", server_.host, is_v6 ? "]" : "", server_.port, login_, body.size(), body);
  Result<HttpAnswer> answer = http_exchange(server_, request, is_over);
  if (!answer.ok()) return placed(std::move(answer).status());
  auto said = nlohmann::json::parse(answer->body, nullptr, false);
  if (answer->status != 200) {
    std::string message = answer->body.substr(0, 200);
    if (said.is_object() && said.contains("message") && said["message"].is_string()) message = said["message"];
    return placed(refusal(answer->status, message));
  }
  if (!said.is_object() || !said.contains("id") || !said["id"].is_number_unsigned() || said["id"].get<uint64_t>() > UINT32_MAX) {
    return placed(Status(ErrorCode::kFormatRegistry, fmt::format("gave no number for the schema: {}", answer->body.substr(0, 200))));
  }
  return said["id"].get<uint32_t>();
}

}  // namespace tailrace
