#include "codec/imap/response_parser.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "codec/imap/detail/literal.h"
#include "codec/imap/detail/response_reader.h"

namespace ph::imap {

namespace {

// Where a response may announce literals. The text of a status response is free and may end in
// "{5}" without meaning one; only its unclosed response code can have one.
enum class Literals : uint8_t { anywhere, in_code, nowhere };

// From the first line of a response, in time that does not depend on its length.
Literals literals_of(std::string_view line) {
  constexpr size_t kConditionMax = 8;  // more than "PREAUTH" has
  if (line.starts_with("+")) return Literals::nowhere;
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return Literals::nowhere;
  const std::string_view rest = line.substr(space + 1);
  const std::string_view start = rest.substr(0, kConditionMax);
  const std::string_view word = start.substr(0, start.find(' '));
  if (!detail::condition_from(word)) return Literals::anywhere;
  return rest.substr(word.size()).starts_with(" [") ? Literals::in_code : Literals::nowhere;
}

}  // namespace

bool ResponseNode::is_atom(std::string_view word) const {
  return kind == NodeKind::atom && iequals(text, word);
}

class ResponseParser::Core {
 public:
  explicit Core(const ResponseLimits& limits) : limits_(limits) {}

  size_t feed(std::string_view bytes) {
    size_t at = 0;
    while (!pending_ && failed_.empty() && at < bytes.size()) {
      const std::string_view rest = bytes.substr(at);
      at += left_ > 0 ? take_literal(rest) : take_line(rest);
    }
    return at;
  }
  std::optional<Response> next() { return std::exchange(pending_, std::nullopt); }
  const std::string& failed() const { return failed_; }

 private:
  size_t take_literal(std::string_view bytes) {
    const size_t count = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
    buffer_.append(bytes.substr(0, count));
    left_ -= count;
    if (left_ == 0) line_start_ = buffer_.size();
    return count;
  }

  size_t take_line(std::string_view bytes) {
    const std::string_view window = bytes.substr(0, limits_.line + 1 - line_octets_);
    const size_t line_feed = window.find('\n');
    const size_t count = line_feed == std::string_view::npos ? window.size() : line_feed + 1;
    buffer_.append(window.substr(0, count));
    line_octets_ += count;
    if (line_octets_ > limits_.line) {
      fail("a line that is too long");
    } else if (line_feed != std::string_view::npos) {
      on_line();
    }
    return count;
  }

  void on_line() {
    std::string_view line = std::string_view(buffer_).substr(line_start_);
    if (!line.ends_with("\r\n")) return fail("a line without CR LF");
    line.remove_suffix(2);
    const auto head = detail::literal_at_end(line);
    if (line_start_ == 0) literals_ = literals_of(line);
    if (literals_ == Literals::in_code && line.contains(']')) literals_ = Literals::nowhere;
    if (head && literals_ != Literals::nowhere && !detail::ends_in_quotes(line)) {
      const size_t room = limits_.response - std::min(limits_.response, buffer_.size());
      if (head->size > std::min(limits_.literal, room)) return fail("a literal that is too big");
      left_ = head->size;
      line_start_ = buffer_.size();
      return;
    }
    const std::string_view whole = std::string_view(buffer_).substr(0, buffer_.size() - 2);
    pending_ = detail::read_response(whole, limits_, failed_);
    buffer_.clear();
    line_start_ = 0;
    line_octets_ = 0;
  }

  void fail(std::string_view why) {
    failed_ = why;
    buffer_ = {};
  }

  ResponseLimits limits_;
  std::optional<Response> pending_;
  std::string failed_;
  std::string buffer_;
  size_t line_start_ = 0;
  size_t line_octets_ = 0;
  uint64_t left_ = 0;
  Literals literals_ = Literals::anywhere;
};

ResponseParser::ResponseParser(const ResponseLimits& limits) : core_(new Core(limits)) {}
ResponseParser::~ResponseParser() = default;
ResponseParser::ResponseParser(ResponseParser&&) noexcept = default;
ResponseParser& ResponseParser::operator=(ResponseParser&&) noexcept = default;

size_t ResponseParser::feed(std::string_view bytes) { return core_->feed(bytes); }
std::optional<Response> ResponseParser::next() { return core_->next(); }
const std::string& ResponseParser::failed() const { return core_->failed(); }

}  // namespace ph::imap
