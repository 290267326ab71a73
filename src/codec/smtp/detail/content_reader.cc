#include "codec/smtp/detail/content_reader.h"

namespace ph::smtp::detail {
namespace {

constexpr size_t kNone = std::string_view::npos;

}  // namespace

// One walk over one input. What lies in [run, end) is content once the walk has stopped.
struct ContentReader::Walk {
  std::string_view in;
  Dots dots;
  bool sound = true;  // no fault before this walk; otherwise only the end of data is looked for
  size_t at = 0;
  size_t run = 0;
  size_t end = 0;
  bool stop = false;
  bool ended = false;
};

void ContentReader::start(Limits limits) {
  *this = ContentReader();
  limits_ = limits;
}

ContentReader::Piece ContentReader::read_dotted(std::string_view in) {
  return read({.in = in, .dots = Dots::removed});
}
ContentReader::Piece ContentReader::read_plain(std::string_view in) {
  return read({.in = in, .dots = Dots::plain});
}

ContentReader::Piece ContentReader::read(Walk walk) {
  walk.sound = fault_ == ContentFault::none;
  while (!walk.stop && walk.at < walk.in.size()) step(walk);
  if (!walk.stop) walk.end = walk.at;
  Piece out{.consumed = walk.at, .content = {}, .ended = walk.ended};
  if (walk.sound) out.content = accept(walk.in.substr(walk.run, walk.end - walk.run));
  return out;
}

void ContentReader::finish_plain() {
  if (place_ == Place::after_cr && fault_ == ContentFault::none) {
    fault_ = ContentFault::bare_newline;
  }
}

void ContentReader::step(Walk& walk) {
  switch (place_) {
    case Place::line_start:
      if (walk.dots == Dots::removed && walk.in[walk.at] == '.') return step_dot(walk);
      place_ = Place::in_line;
      return step_line(walk);
    case Place::in_line: return step_line(walk);
    case Place::after_cr: return step_after_cr(walk);
    case Place::after_dot:
      // A dot and anything but CRLF: the dot was stuffing, the rest is content (RFC 5321 §4.5.2).
      place_ = walk.in[walk.at] == '\r' ? Place::after_dot_cr : Place::in_line;
      if (place_ == Place::after_dot_cr) ++walk.at;
      walk.run = walk.at;
      return;
    case Place::after_dot_cr:
      place_ = Place::in_line;
      if (walk.in[walk.at] != '\n') return note(walk, ContentFault::bare_newline);
      ++walk.at;
      walk.run = walk.end = walk.at;
      walk.stop = walk.ended = true;
      return;
  }
}

void ContentReader::step_dot(Walk& walk) {
  place_ = Place::after_dot;
  walk.stop = walk.sound && walk.at > walk.run;
  walk.end = walk.at;
  ++walk.at;
  if (!walk.stop) walk.run = walk.at;
}

// A fault stops a sound walk, and an unsound one looks for CR alone: no octet is looked at twice
// often, so hostile line ends cannot make this quadratic.
void ContentReader::step_line(Walk& walk) {
  const std::string_view in = walk.in;
  size_t lf = kNone;
  if (walk.sound) lf = in.find('\n', walk.at);
  const size_t cr = in.substr(0, lf).find('\r', walk.at);
  if (cr != kNone) {
    if (advance(walk, cr + 1)) place_ = Place::after_cr;
  } else if (lf == kNone) {
    advance(walk, in.size());
  } else if (advance(walk, lf)) {
    note(walk, ContentFault::bare_newline);
  }
}

void ContentReader::step_after_cr(Walk& walk) {
  if (walk.in[walk.at] != '\n') {
    place_ = Place::in_line;
    return note(walk, ContentFault::bare_newline);
  }
  if (!advance(walk, walk.at + 1)) return;
  place_ = Place::line_start;
  line_ = 0;
}

// Moves on to `to` within a line; false if the line passes its limit, which ends the walk there.
bool ContentReader::advance(Walk& walk, size_t to) {
  const uint64_t left = limits_.line - line_;
  if (walk.sound && to - walk.at > left) {
    walk.at += left;
    line_ = limits_.line;
    note(walk, ContentFault::line_too_long);
    return false;
  }
  if (walk.sound) line_ += to - walk.at;
  walk.at = to;
  return true;
}

void ContentReader::note(Walk& walk, ContentFault fault) {
  if (!walk.sound) return;
  fault_ = fault;
  walk.end = walk.at;
  walk.stop = true;
}

// The size limit and NUL are looked for in the run as a whole. Either lies before the fault that
// ended the run, if one did, and so takes its place.
std::string_view ContentReader::accept(std::string_view run) {
  if (run.size() > limits_.size - size_) {
    run = run.substr(0, limits_.size - size_);
    fault_ = ContentFault::too_big;
  }
  if (const size_t nul = run.find('\0'); nul != kNone) {
    run = run.substr(0, nul);
    fault_ = ContentFault::nul;
  }
  size_ += run.size();
  return run;
}

}  // namespace ph::smtp::detail
