#include "codec/smtp/content.h"

#include <cstring>

#include "codec/smtp/errors.h"

namespace ph::smtp {
namespace {

constexpr size_t kNone = std::string_view::npos;

Error fault_error(ContentFault fault) {
  return fault == ContentFault::nul ? fail(kNulInContent, "a NUL octet in the message")
                                    : fail(kBareNewline, "a bare CR or LF in the message");
}

}  // namespace

ContentFault content_fault(std::string_view message) {
  if (message.find('\0') != kNone) return ContentFault::nul;
  for (size_t at = 0; at < message.size();) {
    const size_t lf = message.find('\n', at);
    const size_t cr = message.substr(0, lf).find('\r', at);
    if (lf == kNone) return cr == kNone ? ContentFault::none : ContentFault::bare_newline;
    if (cr == kNone || cr + 1 != lf) return ContentFault::bare_newline;
    at = lf + 1;
  }
  return ContentFault::none;
}

// Line by line; runs of lines that need no dot are appended at once.
Status ContentWriter::append(std::string_view piece, std::string& out) {
  if (piece.find('\0') != kNone) return fault_error(ContentFault::nul);
  size_t run = 0;  // the start of what is not appended yet
  size_t at = 0;
  while (at < piece.size()) {
    if (place_ == Place::after_cr) {
      if (piece[at] != '\n') return fault_error(ContentFault::bare_newline);
      place_ = Place::line_start;
      ++at;
      continue;
    }
    if (place_ == Place::line_start && piece[at] == '.' && form_ == Form::dotted) {
      out.append(piece.substr(run, at - run));
      out += '.';
      run = at;
    }
    place_ = Place::in_line;
    const size_t lf = piece.find('\n', at);
    const std::string_view line = piece.substr(at, lf == kNone ? kNone : lf - at);
    const size_t cr = line.find('\r');
    if (cr == kNone && lf == kNone) break;
    if (cr == kNone || cr + 1 != line.size()) return fault_error(ContentFault::bare_newline);
    place_ = Place::after_cr;
    at += line.size();
  }
  out.append(piece.substr(run));
  return {};
}

Status ContentWriter::finish(std::string& out) {
  if (place_ == Place::after_cr) return fault_error(ContentFault::bare_newline);
  if (form_ == Form::plain) return {};
  if (place_ == Place::in_line) out += "\r\n";
  place_ = Place::line_start;
  out += ".\r\n";
  return {};
}

}  // namespace ph::smtp
