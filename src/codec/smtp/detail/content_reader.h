// Message content on its way in: dot-unstuffing, the end of data, and the faults of content.h.
//
// The reader walks line by line with memchr and emits views of its input: whole runs of lines up to
// the next line that starts with a dot. It never holds octets back: what it has emitted is content,
// and a fault only means that what was emitted is not to be kept. Faults are placed on the octet
// that shows them, the earliest wins, so the cutting of the input does not matter. After a fault
// nothing is emitted; only CRLF.CRLF still ends the data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "codec/smtp/content.h"

namespace ph::smtp::detail {

class ContentReader {
 public:
  struct Limits {
    uint64_t size = 0;
    uint64_t line = 0;
  };
  struct Piece {
    size_t consumed = 0;
    std::string_view content;
    bool ended = false;  // the final dot was consumed
  };

  void start(Limits limits);
  // Content of DATA: up to a removed dot, the end of data, a fault, or the end of `in`.
  Piece read_dotted(std::string_view in);
  // Content of BDAT: the same without dots.
  Piece read_plain(std::string_view in);
  // After the last BDAT chunk: a CR without its LF is a fault.
  void finish_plain();

  ContentFault fault() const { return fault_; }
  uint64_t size() const { return size_; }

 private:
  enum class Dots : uint8_t { removed, plain };
  enum class Place : uint8_t { line_start, in_line, after_cr, after_dot, after_dot_cr };
  struct Walk;

  void step(Walk& walk);
  void step_line(Walk& walk);
  void step_after_cr(Walk& walk);
  void step_dot(Walk& walk);
  bool advance(Walk& walk, size_t to);
  void note(Walk& walk, ContentFault fault);
  Piece read(Walk walk);
  std::string_view accept(std::string_view run);

  Limits limits_;
  uint64_t size_ = 0;
  uint64_t line_ = 0;  // octets of the current line so far
  Place place_ = Place::line_start;
  ContentFault fault_ = ContentFault::none;
};

}  // namespace ph::smtp::detail
