#include "codec/text/parameter.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "codec/text/charset.h"
#include "codec/text/encoded_word.h"

namespace ph::text {
namespace {

// Reads one field value from left to right; every step moves on.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return text_[at_]; }
  void skip() { ++at_; }

  void skip_blanks() {
    while (!at_end() && (is_blank(peek()) || peek() == '\r' || peek() == '\n')) ++at_;
  }
  // A comment (RFC 5322 section 3.2.2) at the current '('; to the end if it is not closed.
  void skip_comment() {
    size_t depth = 0;
    for (; !at_end(); ++at_) {
      if (peek() == '\\') {
        ++at_;
      } else if (peek() == '(') {
        ++depth;
      } else if (peek() == ')' && --depth == 0) {
        ++at_;
        return;
      }
    }
    at_ = text_.size();
  }
  void skip_space() {
    for (skip_blanks(); !at_end() && peek() == '('; skip_blanks()) skip_comment();
  }
  std::string_view until(std::string_view stops) {
    const size_t start = at_;
    at_ = std::min(text_.find_first_of(stops, at_), text_.size());
    return text_.substr(start, at_ - start);
  }
  std::string quoted() {  // at the opening quote
    std::string out;
    for (++at_; !at_end() && peek() != '"'; ++at_) {
      if (peek() == '\\' && at_ + 1 < text_.size()) ++at_;
      out += peek();
    }
    if (!at_end()) ++at_;
    return out;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// "us-ascii (Plain text)" is us-ascii, but "report (1).pdf", unquoted against the rules, is kept.
std::string unquoted_value(std::string_view text) {
  const size_t open = text.find(" (");
  if (open == std::string_view::npos) return std::string(trim(text));
  Scanner behind(text.substr(open + 1));
  behind.skip_space();
  return std::string(trim(behind.at_end() ? text.substr(0, open) : text));
}

// One "*0*" segment of an RFC 2231 value.
struct Segment {
  size_t number = 0;
  size_t order = 0;  // among the segments of one value, as written
  bool is_extended = false;
  std::string_view value;
};

// The segment that parameter `p` is of `name`; nullopt if it is none.
std::optional<Segment> as_segment(const Parameter& p, std::string_view name) {
  std::string_view rest = p.name;
  if (rest.size() <= name.size() + 1) {
    const bool single = rest.size() == name.size() + 1 && rest.ends_with('*');
    if (!single || !iequals(rest.substr(0, name.size()), name)) return std::nullopt;
    return Segment{.is_extended = true, .value = p.value};
  }
  if (!istarts_with(rest, name) || rest[name.size()] != '*') return std::nullopt;
  rest.remove_prefix(name.size() + 1);
  Segment segment{.value = p.value};
  if (rest.ends_with('*')) {
    segment.is_extended = true;
    rest.remove_suffix(1);
  }
  const std::optional<uint64_t> number = parse_u64(rest);
  if (!number || *number >= kParametersMax) return std::nullopt;
  segment.number = *number;
  return segment;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (const std::optional<std::string> octet = hex_decode(text.substr(i + 1, 2))) {
        out += *octet;
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

std::string join_segments(std::vector<Segment> segments) {
  std::ranges::sort(segments, [](const Segment& a, const Segment& b) {
    return std::tie(a.number, a.order) < std::tie(b.number, b.order);
  });
  std::string octets;
  std::string_view charset = "utf-8";
  bool has_charset = false;
  size_t expected = 0;
  for (Segment& segment : segments) {
    if (segment.number + 1 == expected) continue;  // said twice: the first one counts
    if (segment.number != expected) break;         // one is missing: what follows means nothing
    if (expected++ == 0 && segment.is_extended) {  // charset'language'text
      const size_t first = segment.value.find('\'');
      const size_t second = segment.value.find('\'', first + (first == segment.value.npos ? 0 : 1));
      if (first != segment.value.npos && second != segment.value.npos) {
        charset = segment.value.substr(0, first);
        segment.value.remove_prefix(second + 1);
        has_charset = true;
      }
    }
    octets += segment.is_extended ? percent_decode(segment.value) : std::string(segment.value);
  }
  return has_charset ? to_utf8(octets, charset) : decode_words(octets);
}

}  // namespace

Parameters parse_parameters(std::string_view text, size_t limit) {
  Parameters out;
  Scanner in(text);
  while (out.size() < limit) {
    in.skip_space();
    while (!in.at_end() && in.peek() == ';') {
      in.skip();
      in.skip_space();
    }
    if (in.at_end()) break;
    Parameter p;
    p.name = to_lower(trim(in.until("=;")));
    if (in.at_end() || in.peek() == ';') continue;  // a name without a value says nothing
    in.skip();
    in.skip_space();
    if (!in.at_end() && in.peek() == '"') {
      p.value = in.quoted();  // a forgotten ';' behind it is forgiven
    } else {
      p.value = unquoted_value(in.until(";"));
    }
    if (!p.name.empty()) out.push_back(std::move(p));
  }
  return out;
}

const std::string* plain_parameter(const Parameters& all, std::string_view name) {
  for (const Parameter& p : all) {
    if (iequals(p.name, name)) return &p.value;
  }
  return nullptr;
}

std::optional<std::string> parameter(const Parameters& all, std::string_view name) {
  std::vector<Segment> segments;
  for (const Parameter& p : all) {
    if (std::optional<Segment> segment = as_segment(p, name)) {
      segment->order = segments.size();
      segments.push_back(*segment);
    }
  }
  if (std::ranges::find(segments, size_t{0}, &Segment::number) != segments.end()) {
    return join_segments(std::move(segments));
  }
  const std::string* plain = plain_parameter(all, name);
  if (plain == nullptr) return std::nullopt;
  return decode_words(*plain);
}

}  // namespace ph::text
