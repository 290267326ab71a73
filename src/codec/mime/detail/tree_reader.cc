#include "codec/mime/detail/tree_reader.h"

#include <algorithm>

#include "base/check.h"
#include "codec/mime/detail/content_fields.h"

namespace ph::mime {
namespace {

std::string_view without_padding(std::string_view line) {
  const size_t last = line.find_last_not_of(" \t\r\n");
  return line.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

void make_opaque(Part& part) {
  part.type = "application";
  part.subtype = "octet-stream";
  part.parameters.clear();
}

}  // namespace

TreeReader::TreeReader(std::string_view bytes, const Limits& limits)
    : bytes_(bytes), limits_(limits), parameters_left_(limits.parameters) {
  PH_CHECK(limits.parts > 0);
}

Part TreeReader::read() {
  Part root;
  read_part(root, 0, "text/plain");
  return root;
}

TreeReader::Stop TreeReader::read_part(Part& part, uint32_t depth, std::string_view default_type) {
  ++part_count_;
  const uint64_t lines_at_header = lines_;
  part.header.begin = at_;
  Stop stop = read_header();
  const uint64_t lines_at_body = lines_;
  const bool has_body = stop.kind == StopKind::empty_line;
  part.header.end = part.body.begin = at_;

  const uint64_t fields_end = has_body ? at_ : std::max(part.header.begin, stop.content_end);
  const std::string_view fields = bytes_.substr(part.header.begin, fields_end - part.header.begin);
  steps_ += fields.size();  // looked at once more
  read_content_fields(part, HeaderView(fields), default_type, parameters_left_);
  parameters_left_ -= part.parameters.size();
  if (part.disposition) parameters_left_ -= part.disposition->parameters.size();
  settle_type(part, depth);

  if (has_body) stop = read_body(part, depth);
  close(part, stop, lines_at_header, lines_at_body);
  if (part.is_message() && part.children.empty()) {
    // The header ran into the end of the part: the message inside is empty.
    ++part_count_;
    Part& child = part.children.emplace_back();
    child.header = child.body = part.body;
  }
  return stop;
}

TreeReader::Stop TreeReader::read_header() {
  Stop stop;
  while (next_line(stop)) {
    const std::string_view start = bytes_.substr(at_, 2);
    skip_line();
    if (start.starts_with('\n') || start == "\r\n") return {.kind = StopKind::empty_line};
  }
  return stop;
}

// The line end before a delimiter may be the header's empty line, or, where nothing lies between,
// that of the delimiter before. It is the later delimiter's, so every part that ends here ends
// before it, and spans stay inside each other.
void TreeReader::close(Part& part, const Stop& stop, uint64_t lines_at_header,
                       uint64_t lines_at_body) const {
  const uint64_t end = stop.content_end;
  if (end >= part.body.begin) {
    part.header_lines = lines_at_body - lines_at_header;
    part.body.end = end;
    part.body_lines = stop.content_lines - lines_at_body;
    return;
  }
  part.header_lines = end >= part.header.begin ? stop.content_lines - lines_at_header : 0;
  part.header = {std::min(part.header.begin, end), end};
  part.body = {end, end};
}

// What cannot be taken apart is shown as what it is then (see message.h).
void TreeReader::settle_type(Part& part, uint32_t depth) {
  if (!part.is_multipart() && !part.is_message()) return;
  if (depth >= limits_.depth || part_count_ >= limits_.parts) return make_opaque(part);
  if (!part.is_multipart() || !usable_boundary(part).empty()) return;
  part.type = "text";
  part.subtype = "plain";
  part.parameters.clear();
}

TreeReader::Stop TreeReader::read_body(Part& part, uint32_t depth) {
  if (part.is_multipart()) return read_multipart(part, depth);
  if (part.is_message()) return read_part(part.children.emplace_back(), depth + 1, "text/plain");
  return skip_content();
}

TreeReader::Stop TreeReader::read_multipart(Part& part, uint32_t depth) {
  const std::string boundary = usable_boundary(part);
  const uint32_t level = ++level_;
  boundaries_[boundary].push_back(level);
  const std::string_view child_type = part.subtype == "digest" ? "message/rfc822" : "text/plain";

  Stop stop = skip_content();  // the preamble
  while (stop.kind == StopKind::delimiter && stop.level == level) {
    stop = read_part(part.children.emplace_back(), depth + 1, child_type);
  }

  const auto open = boundaries_.find(boundary);
  open->second.pop_back();
  if (open->second.empty()) boundaries_.erase(open);
  --level_;
  if (stop.kind == StopKind::closing_delimiter && stop.level == level) {
    stop = skip_content();  // the epilogue
  }
  return stop;
}

TreeReader::Stop TreeReader::skip_content() {
  Stop stop;
  while (next_line(stop)) skip_line();
  return stop;
}

// True if the line at at_ is content. Else at the end of the octets, or behind a delimiter line.
bool TreeReader::next_line(Stop& stop) {
  ++steps_;
  if (at_ >= bytes_.size()) {
    stop = {.kind = StopKind::end_of_bytes, .content_end = at_, .content_lines = lines_};
    return false;
  }
  // The part that reaches the limit runs to the end.
  if (level_ == 0 || part_count_ >= limits_.parts) return true;
  if (bytes_[at_] != '-' || !bytes_.substr(at_).starts_with("--")) return true;
  const std::string_view line = current_line();
  steps_ += line.size();
  if (!is_delimiter(line, stop)) return true;
  stop.content_end = at_;
  stop.content_lines = lines_;
  if (stop.content_end > 0) {  // a line end stands before every line but the first
    stop.content_end -= stop.content_end > 1 && bytes_[at_ - 2] == '\r' ? 2 : 1;
    --stop.content_lines;
  }
  skip_line();
  return false;
}

std::string_view TreeReader::current_line() const {
  const size_t feed = bytes_.find('\n', at_);
  return bytes_.substr(at_, feed == std::string_view::npos ? feed : feed + 1 - at_);
}

void TreeReader::skip_line() {
  const std::string_view line = current_line();
  at_ += line.size();
  steps_ += line.size();
  lines_ += line.ends_with('\n') ? 1 : 0;
}

// The whole line counts, padding aside, so that a boundary that begins another one is not mistaken
// for it. Failing that its first word counts: RFC 2046 section 5.1.1 allows anything behind.
bool TreeReader::is_delimiter(std::string_view line, Stop& stop) const {
  line = without_padding(line).substr(2);
  return is_boundary(line, stop) || is_boundary(line.substr(0, line.find_first_of(" \t")), stop);
}

bool TreeReader::is_boundary(std::string_view text, Stop& stop) const {
  const auto level_of = [&](std::string_view boundary) {
    const auto found = boundaries_.find(boundary);
    return found == boundaries_.end() ? 0U : found->second.back();
  };
  const uint32_t open = level_of(text);
  const uint32_t closing = text.ends_with("--") ? level_of(text.substr(0, text.size() - 2)) : 0U;
  stop.kind = closing > open ? StopKind::closing_delimiter : StopKind::delimiter;
  stop.level = std::max(open, closing);
  return stop.level > 0;
}

}  // namespace ph::mime
