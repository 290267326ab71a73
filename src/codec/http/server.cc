#include "codec/http/server.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace ph::http {
namespace {

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

bool is_visible(char c) { return c > ' ' && c < '\x7F'; }

// RFC 9110 section 5.5: visible octets, blanks and what is not ASCII.
bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return is_visible(c) || is_blank(c) || !is_ascii(c); });
}

bool lists(std::string_view value, std::string_view token) {
  return std::ranges::any_of(split(value, ','),
                             [&](std::string_view item) { return iequals(trim(item), token); });
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

size_t Server::feed(std::string_view input) {
  size_t taken = 0;
  while (taken < input.size() && (state_ == State::request_line || state_ == State::fields)) {
    const char c = input[taken++];
    if (++head_bytes_ > options_.head_bytes_max) {
      // RFC 9112 section 3: a line that is too long for us is told apart from its fields.
      state_ == State::request_line ? fault(414, "the request line is too long")
                                    : fault(431, "the request's fields are too long");
      break;
    }
    if (c != '\n') {
      line_ += c;
      continue;
    }
    // RFC 9112 section 2.2 lets us take a bare LF for a line end; others would not see one there.
    if (!line_.ends_with('\r')) {
      fault(400, "a line ends without CR");
      break;
    }
    line_.pop_back();
    const std::string line = std::exchange(line_, {});
    on_line(line);
  }
  return taken;
}

void Server::on_line(std::string_view line) {
  if (state_ == State::request_line) {
    if (!line.empty()) on_request_line(line);  // RFC 9112 section 2.2: empty lines before it
  } else if (!line.empty()) {
    on_field(line);
  } else {
    on_end_of_head();
  }
}

// RFC 9112 section 3.
void Server::on_request_line(std::string_view line) {
  const std::vector<std::string_view> parts = split(line, ' ');
  if (parts.size() != 3 || !is_token(parts[0]) || parts[1].empty() ||
      !std::ranges::all_of(parts[1], is_visible)) {
    return fault(400, "that is no request");
  }
  const std::string_view version = parts[2];
  const bool is_version = version.size() == 8 && version.starts_with("HTTP/") &&
                          is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
  if (!is_version) return fault(400, "that is no HTTP version");
  if (version[5] != '1') return fault(505, "only HTTP/1.1 is spoken here");
  minor_ = version[7] == '0' ? 0 : 1;
  request_.method = parts[0];
  request_.target = parts[1];
  state_ = State::fields;
}

// RFC 9112 section 5.
void Server::on_field(std::string_view line) {
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || !is_token(name)) {
    return fault(400, "a field without a name, or folded");
  }
  const std::string_view value = trim_blanks(line.substr(colon + 1));
  if (!is_field_value(value)) return fault(400, "a field has octets that may not be in it");
  if (request_.fields.size() >= options_.fields_max) return fault(431, "too many fields");
  request_.fields.push_back({std::string(name), std::string(value)});
}

// RFC 9112 section 3.2: one in HTTP/1.1, never two.
std::string_view Server::problem_with_host() const {
  const auto hosts = std::ranges::count_if(
      request_.fields, [](const Field& field) { return iequals(field.name, "Host"); });
  if (hosts > 1) return "two Host fields";
  if (hosts == 0 && minor_ > 0) return "no Host field";
  return {};
}

// RFC 9112 section 6.3.
void Server::find_body() {
  size_t lengths = 0;
  size_t codings = 0;
  uint64_t length = 0;
  for (const Field& field : request_.fields) {
    if (iequals(field.name, "Content-Length")) {
      const auto parsed = parse_u64(field.value);
      if (!parsed.has_value()) return fault(400, "Content-Length is no number");
      length = *parsed;
      ++lengths;
    } else if (iequals(field.name, "Transfer-Encoding")) {
      ++codings;
    }
  }
  if (lengths + codings > 1) return fault(400, "two lengths of one body");
  if (codings > 0 && minor_ == 0) return fault(400, "Transfer-Encoding in HTTP/1.0");
  if (codings > 0 && !iequals(*request_.find("Transfer-Encoding"), "chunked")) {
    return fault(501, "that Transfer-Encoding is not known");
  }
  if (length > 0 || codings > 0) request_.body = Request::Body::announced;
}

// RFC 9112 section 9.3.
Server::After Server::after_answer() const {
  bool close = minor_ == 0;
  for (const Field& field : request_.fields) {
    if (!iequals(field.name, "Connection")) continue;
    if (lists(field.value, "close")) return After::close;
    if (lists(field.value, "keep-alive")) close = false;
  }
  return close || request_.body != Request::Body::none ? After::close : After::keep_open;
}

void Server::on_end_of_head() {
  if (const std::string_view problem = problem_with_host(); !problem.empty()) {
    return fault(400, problem);
  }
  find_body();
  if (state_ == State::event_ready) return;
  after_ = after_answer();
  head_only_ = request_.method == "HEAD";
  event_ = std::exchange(request_, {});
  state_ = State::event_ready;
}

void Server::fault(uint16_t status, std::string_view words) {
  event_ = Fault{error_response(status, words)};
  after_ = After::close;
  state_ = State::event_ready;
}

std::optional<ServerEvent> Server::next() {
  if (state_ != State::event_ready) return std::nullopt;
  state_ = State::answer_due;
  return std::exchange(event_, std::nullopt);
}

void Server::answer(const Response& response, Time now) {
  PH_CHECK(state_ == State::answer_due);
  PH_CHECK(!reason_phrase(response.status).empty());
  if (ending_) after_ = After::close;
  const auto add = [this](std::string_view name, std::string_view value) {
    PH_CHECK(is_token(name));
    PH_CHECK(is_field_value(value));
    output_.append(name).append(": ").append(value).append("\r\n");
  };
  output_ += "HTTP/1.1 " + std::to_string(response.status) + " ";
  output_.append(reason_phrase(response.status)).append("\r\n");
  add("Date", to_http_date(now));
  if (!response.content_type.empty()) add("Content-Type", response.content_type);
  add("Content-Length", std::to_string(response.body.size()));
  for (const Field& field : response.fields) add(field.name, field.value);
  if (after_ == After::close) {
    add("Connection", "close");
  } else if (minor_ == 0) {
    add("Connection", "keep-alive");
  }
  output_ += "\r\n";
  if (!head_only_) output_ += response.body;
  state_ = after_ == After::close ? State::closed : State::request_line;
  head_bytes_ = 0;
  head_only_ = false;
  minor_ = 1;
}

void Server::end() {
  ending_ = true;
  if (phase() == ServerPhase::idle) state_ = State::closed;
}

std::string Server::take_output() { return std::exchange(output_, {}); }

ServerPhase Server::phase() const {
  switch (state_) {
    case State::request_line: return line_.empty() ? ServerPhase::idle : ServerPhase::head;
    case State::fields: return ServerPhase::head;
    case State::event_ready:
    case State::answer_due: return ServerPhase::answer;
    case State::closed: break;
  }
  return ServerPhase::closed;
}

std::string to_http_date(Time t) {
  std::string out = to_rfc5322_date(t);
  PH_CHECK(out.ends_with("+0000"));
  out.replace(out.size() - 5, 5, "GMT");
  return out;
}

}  // namespace ph::http
