// Reads the tree of a message in one pass over its lines.
//
// The delimiters of all open multiparts are known at every line, so that one of an outer multipart
// ends everything inside it. Each reading function returns where and why it stopped; the recursion
// goes no deeper than Limits::depth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "codec/mime/message.h"

namespace ph::mime {

class TreeReader {
 public:
  TreeReader(std::string_view bytes, const Limits& limits);

  Part read();
  uint64_t part_count() const { return part_count_; }
  uint64_t steps() const { return steps_; }

 private:
  enum class StopKind : uint8_t { end_of_bytes, delimiter, closing_delimiter, empty_line };
  // Where reading stopped. The line end before a delimiter belongs to the delimiter.
  struct Stop {
    StopKind kind = StopKind::end_of_bytes;
    uint32_t level = 0;          // the multipart whose delimiter it is, counted from 1 (outermost)
    uint64_t content_end = 0;    // the octet behind the content
    uint64_t content_lines = 0;  // line ends before content_end
  };

  Stop read_part(Part& part, uint32_t depth, std::string_view default_type);
  Stop read_header();
  Stop read_body(Part& part, uint32_t depth);
  Stop read_multipart(Part& part, uint32_t depth);
  Stop skip_content();
  void close(Part& part, const Stop& stop, uint64_t lines_at_header, uint64_t lines_at_body) const;

  void settle_type(Part& part, uint32_t depth);
  bool next_line(Stop& stop);
  std::string_view current_line() const;
  void skip_line();
  bool is_delimiter(std::string_view line, Stop& stop) const;
  bool is_boundary(std::string_view text, Stop& stop) const;

  std::string_view bytes_;
  Limits limits_;
  uint64_t at_ = 0;
  uint64_t lines_ = 0;  // line ends before at_
  uint64_t part_count_ = 0;
  uint64_t steps_ = 0;
  uint64_t parameters_left_;
  uint32_t level_ = 0;  // open multiparts
  // Boundaries of the open multiparts with their levels; of equal ones the innermost is last.
  std::map<std::string, std::vector<uint32_t>, std::less<>> boundaries_;
};

}  // namespace ph::mime
