// What HTTP/1.1 says: requests as they were read, responses as they are to be sent (RFC 9112).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ph::http {

struct Field {
  std::string name;
  std::string value;
  bool operator==(const Field&) const = default;
};

struct Request {
  std::string method;         // as sent: methods are case-sensitive
  std::string target;         // as sent
  std::vector<Field> fields;  // in order; values without blanks around them
  // A body is announced. It is not read: the connection ends after the answer.
  enum class Body : uint8_t { none, announced } body = Body::none;

  // The target without its query; "" where it is not a path (RFC 9112 section 3.2): "*", host:port.
  std::string_view path() const;
  // The value of the first such field, in any case of letters; nullptr if there is none.
  const std::string* find(std::string_view name) const;
  bool operator==(const Request&) const = default;
};

struct Response {
  uint16_t status = 200;
  std::string content_type;
  std::string body;           // HEAD is answered without it, all else being the same
  std::vector<Field> fields;  // besides Date, Content-Type, Content-Length and Connection
  bool operator==(const Response&) const = default;
};

// "Not Found"; "" for a status that this server never sends.
std::string_view reason_phrase(uint16_t status);
// A short page of text for people: "404 Not Found: there is only /metrics\n".
Response error_response(uint16_t status, std::string_view words);

}  // namespace ph::http
