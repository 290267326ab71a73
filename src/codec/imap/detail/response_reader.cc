#include "codec/imap/detail/response_reader.h"

#include <utility>

#include "base/text.h"
#include "codec/imap/detail/literal.h"

namespace ph::imap::detail {

namespace {

// The items of a response, with a stack of open lists instead of recursion.
class TreeReader {
 public:
  TreeReader(std::string_view text, const ResponseLimits& limits) : rest_(text), limits_(limits) {}

  // Up to the end of the text, or past the "]" of a response code.
  std::optional<std::vector<ResponseNode>> read(char closing) {
    closing_ = closing;
    for (;;) {
      while (rest_.starts_with(' ')) rest_.remove_prefix(1);
      if (rest_.empty()) break;
      const char c = rest_.front();
      if (c == closing_ && open_.empty()) {
        rest_.remove_prefix(1);
        return std::move(top_);
      }
      if (!item(c)) return std::nullopt;
    }
    if (closing_ != '\0' || !open_.empty()) return std::nullopt;
    return std::move(top_);
  }
  std::string_view rest() const { return rest_; }

 private:
  bool item(char c) {
    if (c == '(') {
      rest_.remove_prefix(1);
      if (open_.size() >= limits_.depth) return false;
      open_.emplace_back();
      return true;
    }
    if (c == ')') {
      rest_.remove_prefix(1);
      if (open_.empty()) return false;
      ResponseNode list{.kind = NodeKind::list, .items = std::move(open_.back())};
      open_.pop_back();
      return put(std::move(list));
    }
    if (c == '"') return quoted();
    if (c == '{' || rest_.starts_with("~{")) return literal();
    return atom();
  }

  bool put(ResponseNode node) {
    if (++nodes_ > limits_.nodes) return false;
    (open_.empty() ? top_ : open_.back()).push_back(std::move(node));
    return true;
  }

  bool quoted() {
    ResponseNode node{.kind = NodeKind::string};
    size_t at = 1;
    for (; at < rest_.size() && rest_[at] != '"'; ++at) {
      if (rest_[at] == '\\') ++at;
      if (at < rest_.size()) node.text += rest_[at];
    }
    if (at >= rest_.size()) return false;
    rest_.remove_prefix(at + 1);
    return put(std::move(node));
  }

  bool literal() {
    const auto head = literal_at_start(rest_);
    if (!head) return false;
    rest_.remove_prefix(head->length);
    if (!rest_.starts_with("\r\n") || rest_.size() - 2 < head->size) return false;
    ResponseNode node{.kind = NodeKind::string, .text = std::string(rest_.substr(2, head->size))};
    rest_.remove_prefix(2 + head->size);
    return put(std::move(node));
  }

  // "BODY[HEADER.FIELDS (FROM)]<0>" is one atom: brackets are taken with all between them.
  bool atom() {
    size_t at = 0;
    bool bracket = false;
    for (; at < rest_.size(); ++at) {
      const char c = rest_[at];
      if (c == '\r' || c == '\n') return false;
      if (bracket) {
        bracket = c != ']';
      } else if (c == '[') {
        bracket = true;
      } else if (c == ' ' || c == '(' || c == ')' || c == '"' || c == closing_) {
        break;
      }
    }
    if (at == 0 || bracket) return false;
    ResponseNode node{.text = std::string(rest_.substr(0, at))};
    rest_.remove_prefix(at);
    if (iequals(node.text, "NIL")) node = {.kind = NodeKind::nil};
    return put(std::move(node));
  }

  std::string_view rest_;
  const ResponseLimits& limits_;
  char closing_ = '\0';
  size_t nodes_ = 0;
  std::vector<ResponseNode> top_;
  std::vector<std::vector<ResponseNode>> open_;
};

// "[UIDNEXT 5] text" behind OK, NO and so on.
bool read_status(std::string_view rest, const ResponseLimits& limits, Response& out) {
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  if (rest.starts_with('[')) {
    TreeReader reader(rest.substr(1), limits);
    auto code = reader.read(']');
    if (!code) return false;
    out.code = *std::move(code);
    rest = reader.rest();
    if (rest.starts_with(' ')) rest.remove_prefix(1);
  }
  out.text = rest;
  return true;
}

}  // namespace

std::optional<Condition> condition_from(std::string_view word) {
  if (iequals(word, "OK")) return Condition::ok;
  if (iequals(word, "NO")) return Condition::no;
  if (iequals(word, "BAD")) return Condition::bad;
  if (iequals(word, "BYE")) return Condition::bye;
  if (iequals(word, "PREAUTH")) return Condition::preauth;
  return std::nullopt;
}

std::optional<Response> read_response(std::string_view text, const ResponseLimits& limits,
                                      std::string& why) {
  Response out;
  if (text == "+" || text.starts_with("+ ")) {
    out.kind = Response::Kind::continuation;
    out.text = text.substr(text.size() > 1 ? 2 : 1);
    return out;
  }
  const size_t space = text.find(' ');
  if (space == 0 || space == std::string_view::npos) {
    why = "a response without a tag";
    return std::nullopt;
  }
  const std::string_view tag = text.substr(0, space);
  std::string_view rest = text.substr(space + 1);
  const std::string_view word = rest.substr(0, rest.find(' '));
  out.condition = condition_from(word);
  if (tag != "*") {
    out.kind = Response::Kind::tagged;
    out.tag = tag;
  }
  if (out.condition) {
    if (read_status(rest.substr(word.size()), limits, out)) return out;
    why = "a malformed response code";
    return std::nullopt;
  }
  if (out.kind == Response::Kind::tagged) {
    why = "a tagged response that is no status";
    return std::nullopt;
  }
  auto items = TreeReader(rest, limits).read('\0');
  if (!items) {
    why = "a malformed response, or one past the limits of nesting or items";
    return std::nullopt;
  }
  out.items = *std::move(items);
  return out;
}

}  // namespace ph::imap::detail
