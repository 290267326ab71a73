// The server's half of HTTP/1.1 (RFC 9112), as a value.
//
// The driver owns the connection and loops:
//
//   while (auto event = engine.next()) engine.answer(what fits it, now);
//   flush engine.take_output();
//   if (engine.phase() == ServerPhase::closed) close;
//   read if `input` is empty;  input.remove_prefix(engine.feed(input));
//
// One request is out at a time: until it is answered nothing more is consumed, so a client that
// sends many at once is held back by its own socket, and answers keep the order of the requests.
// What comes out does not depend on how the octets are cut into feeds.
//
// What is not a request, or one too large, is a Fault with the fitting answer made already; after
// that answer the connection ends, for nobody knows where the next request would begin. Nothing
// ambiguous is guessed at: a bare LF, a folded line, a blank before a colon, two Host fields or two
// lengths are all 400, so nobody can smuggle a request past us.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/time.h"
#include "codec/http/message.h"

namespace ph::http {

struct Fault {
  Response response;
  bool operator==(const Fault&) const = default;
};
using ServerEvent = std::variant<Request, Fault>;

// Which timer the driver should run.
enum class ServerPhase : uint8_t {
  idle,    // nothing of a request has come: a long timer, or none after the first answer
  head,    // in the middle of one: a short timer for all of it
  answer,  // the driver's turn
  closed,  // flush the output, close
};

struct ServerOptions {
  size_t head_bytes_max = 8 * 1024;  // request line and fields, line ends included
  size_t fields_max = 64;
};

class Server {
 public:
  explicit Server(ServerOptions options = {}) : options_(options) {}

  size_t feed(std::string_view input);
  // At most one until it is answered.
  std::optional<ServerEvent> next();
  // To the event that next() gave; `now` is the Date. A caller's bug at any other time.
  void answer(const Response& response, Time now);
  // The next answer is the last; without a request on its way the connection ends at once.
  void end();
  bool has_output() const { return !output_.empty(); }
  std::string take_output();
  ServerPhase phase() const;

 private:
  enum class State : uint8_t { request_line, fields, event_ready, answer_due, closed };
  enum class After : uint8_t { keep_open, close };

  void on_line(std::string_view line);
  void on_request_line(std::string_view line);
  void on_field(std::string_view line);
  void on_end_of_head();
  // "" or what is wrong.
  std::string_view problem_with_host() const;
  // Whether a body is announced; a fault where that is not certain.
  void find_body();
  After after_answer() const;
  void fault(uint16_t status, std::string_view words);

  ServerOptions options_;
  State state_ = State::request_line;
  size_t head_bytes_ = 0;
  std::string line_;
  Request request_;
  int minor_ = 1;
  After after_ = After::keep_open;
  bool ending_ = false;
  std::optional<ServerEvent> event_;
  bool head_only_ = false;  // the request that is out is HEAD
  std::string output_;
};

// RFC 9110 section 5.6.7: "Sat, 21 Nov 2026 02:50:16 GMT".
std::string to_http_date(Time t);

}  // namespace ph::http
