#include "codec/http/message.h"

#include "base/text.h"

namespace ph::http {

std::string_view Request::path() const {
  std::string_view rest = target;
  // RFC 9112 section 3.2.2: a server takes the absolute form too.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!istarts_with(rest, scheme)) continue;
    rest.remove_prefix(scheme.size());
    const size_t slash = rest.find_first_of("/?");
    rest = slash == std::string_view::npos || rest[slash] == '?' ? "/" : rest.substr(slash);
    break;
  }
  return rest.starts_with('/') ? rest.substr(0, rest.find('?')) : std::string_view();
}

const std::string* Request::find(std::string_view name) const {
  for (const Field& field : fields) {
    if (iequals(field.name, name)) return &field.value;
  }
  return nullptr;
}

std::string_view reason_phrase(uint16_t status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}

Response error_response(uint16_t status, std::string_view words) {
  Response out;
  out.status = status;
  out.content_type = "text/plain; charset=utf-8";
  out.body = std::to_string(status) + " " + std::string(reason_phrase(status)) + ": ";
  out.body += words;
  out.body += '\n';
  return out;
}

}  // namespace ph::http
