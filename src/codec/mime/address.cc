#include "codec/mime/address.h"

#include <utility>

#include "base/text.h"

namespace ph::mime {
namespace {

constexpr bool is_space(char c) { return is_blank(c) || c == '\r' || c == '\n'; }

// An atom character (RFC 5322 section 3.2.3) or '.', or an octet beyond ASCII (RFC 6532).
constexpr bool is_word(char c) {
  return c > ' ' && c != 0x7F &&
         std::string_view("()<>[]:;@\\,\"").find(c) == std::string_view::npos;
}

// Collects one entry, then becomes ready for the next. Words before an '@' belong to the display
// name except the last; dots glue words to each other over white space (RFC 5322 section 4.4).
class Entry {
 public:
  void gap() { gap_ = true; }
  void comment(std::string text) { comment_ = std::move(text); }

  void word(std::string_view text) {
    seen_ = true;
    const bool after_gap = std::exchange(gap_, false);
    const bool glued = !after_gap || text.starts_with('.') || last().ends_with('.');
    if (has_at_ && (domain_.empty() || glued) && !domain_done_) {
      domain_ += text;
      return;
    }
    if (has_at_) domain_done_ = true;
    if (!glued || angle_ || domain_done_) move_word_to_name();
    if (after_gap && !shown_.empty()) shown_ += ' ';
    shown_ += text;
    word_ += text;
  }
  void at() {
    seen_ = true;
    gap_ = false;
    if (has_at_) {  // "a@b@c": the last one counts
      local_ += '@';
      local_ += domain_;
      domain_.clear();
    } else {
      local_ = take_word();
      has_at_ = true;
    }
  }
  // What stood before '<' is the name; an address in it is part of the name as well.
  void open_angle() {
    std::string name = take_all();
    *this = {};
    name_ = std::move(name);
    seen_ = true;
    in_angle_ = true;
  }
  void close_angle() {
    in_angle_ = false;
    if (!has_at_) local_ = take_word();
    angle_ = true;
    gap_ = false;
  }
  void route(std::string route) { adl_ = std::move(route); }

  bool in_angle() const { return in_angle_; }
  bool has_at() const { return has_at_; }
  bool seen() const { return seen_; }

  // Everything so far as text, for a group's name.
  std::string take_all() {
    if (has_at_) {
      move_word_to_name();
      shown_ = local_ + "@" + domain_;
    }
    move_word_to_name();
    return std::move(name_);
  }

  Address take() {
    if (in_angle_) close_angle();
    Address out;
    if (angle_ || has_at_) {
      move_word_to_name();
      out.mailbox = std::move(local_);
      out.host = std::move(domain_);
    } else {
      out.mailbox = take_all();
      out.host = "";
    }
    if (!name_.empty()) {
      out.name = std::move(name_);
    } else if (!comment_.empty()) {
      out.name = std::move(comment_);
    }
    if (!adl_.empty()) out.adl = std::move(adl_);
    *this = {};
    return out;
  }

 private:
  const std::string& last() const { return has_at_ && word_.empty() ? domain_ : word_; }
  void move_word_to_name() {
    if (shown_.empty()) return;
    if (!name_.empty()) name_ += ' ';
    name_ += shown_;
    take_word();
  }
  std::string take_word() {
    shown_.clear();
    return std::exchange(word_, {});
  }

  std::string name_;
  // The word being read, not yet known to be name or local part: as a local part (without the white
  // space around dots), and as a name.
  std::string word_;
  std::string shown_;
  std::string local_;
  std::string domain_;
  std::string adl_;
  std::string comment_;
  bool has_at_ = false;
  bool domain_done_ = false;
  bool in_angle_ = false;
  bool angle_ = false;  // an address in angle brackets has been read
  bool gap_ = false;
  bool seen_ = false;
};

class ListReader {
 public:
  ListReader(std::string_view text, size_t limit) : text_(text), limit_(limit) {}

  std::vector<Address> read() {
    while (at_ < text_.size() && out_.size() < limit_) step();
    if (out_.size() < limit_) flush();
    end_group();
    return std::move(out_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (is_space(c)) {
      ++at_;
      return entry_.gap();
    }
    if (is_word(c)) return word();
    switch (c) {
      case '(': return entry_.comment(comment());
      case '"': return entry_.word(quoted());
      case '[': return entry_.word(literal());
      default: ++at_;
    }
    switch (c) {
      case '<': return angle();
      case '>': return entry_.in_angle() ? entry_.close_angle() : void();
      case '@': return entry_.at();
      case ',': return flush();
      case ';': flush(); return end_group();
      case ':': return colon();
      case '\\': return;
      default: return entry_.word(text_.substr(at_ - 1, 1));
    }
  }

  void word() {
    const size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    entry_.word(text_.substr(start, at_ - start));
  }

  std::string quoted() {
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      if (text_[at_] != '\r' && text_[at_] != '\n') out += text_[at_];
    }
    ++at_;
    return out;
  }

  std::string comment() {
    std::string out;
    size_t depth = 0;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '(' && depth++ == 0) continue;
      if (c == ')' && --depth == 0) break;
      if (c == '\\' && at_ + 1 < text_.size()) c = text_[++at_];
      if (c != '\r' && c != '\n') out += c;
    }
    ++at_;
    return std::string(trim(out));
  }

  std::string literal() {  // RFC 5322 section 3.4.1, brackets included
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] != ']' && text_[at_] != '\n') ++at_;
    if (at_ < text_.size() && text_[at_] == ']') ++at_;
    std::string out;
    for (const char c : text_.substr(start, at_ - start)) {
      if (!is_space(c)) out += c;
    }
    return out;
  }

  void angle() {
    if (entry_.in_angle()) return;
    entry_.open_angle();
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    if (at_ >= text_.size() || text_[at_] != '@') return;
    const size_t end = text_.find_first_of(":<>\n", at_);  // "@a,@b:" (RFC 5322 section 4.4)
    if (end == std::string_view::npos || text_[end] != ':') return;
    std::string route;
    for (const char c : text_.substr(at_, end - at_)) {
      if (!is_space(c)) route += c;
    }
    entry_.route(std::move(route));
    at_ = end + 1;
  }

  void colon() {
    if (entry_.in_angle() || entry_.has_at() || in_group_) return entry_.word(":");
    out_.push_back({.mailbox = entry_.take_all()});
    entry_ = {};
    in_group_ = true;
  }

  void flush() {
    if (entry_.seen()) out_.push_back(entry_.take());
    entry_ = {};
  }

  void end_group() {
    if (in_group_) out_.emplace_back();
    in_group_ = false;
  }

  std::string_view text_;
  size_t limit_;
  size_t at_ = 0;
  bool in_group_ = false;
  Entry entry_;
  std::vector<Address> out_;
};

bool is_dot_atom(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.' || text.contains(".."))
    return false;
  for (const char c : text) {
    if (!is_word(c)) return false;
  }
  return true;
}

}  // namespace

std::string Address::addr_spec() const {
  if (!is_mailbox()) return "";
  std::string out;
  if (is_dot_atom(*mailbox)) {
    out = *mailbox;
  } else {
    out = '"';
    for (const char c : *mailbox) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "@" + *host;
}

std::vector<Address> parse_address_list(std::string_view value, size_t limit) {
  return ListReader(value, limit).read();
}

}  // namespace ph::mime
