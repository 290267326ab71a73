#include "codec/imap/detail/cursor.h"

#include <limits>
#include <utility>

#include "base/text.h"
#include "codec/imap/errors.h"

namespace ph::imap::detail {

void Cursor::fail(std::string_view why) {
  if (!ok()) return;
  problem_ = why;
  rest_ = {};
}

bool Cursor::skip(char c) {
  if (rest_.empty() || rest_.front() != c) return false;
  rest_.remove_prefix(1);
  return true;
}

bool Cursor::skip_word(std::string_view word) {
  if (!istarts_with(rest_, word)) return false;
  if (rest_.size() > word.size() && is_in_class(rest_[word.size()], kWordBit)) return false;
  rest_.remove_prefix(word.size());
  return true;
}

void Cursor::space() {
  if (!skip(' ')) fail(kSpaceExpected);
}

void Cursor::open() {
  if (!skip('(')) fail(kParenthesisExpected);
}

bool Cursor::another() {
  if (skip(' ')) return true;
  if (!skip(')')) fail(kParenthesisExpected);
  return false;
}

void Cursor::bracket(char c) {
  if (!skip(c)) fail(kBracketExpected);
}

void Cursor::end() {
  if (!at_end()) fail(kTextAfterCommand);
}

std::string_view Cursor::take(CharBit bit) {
  size_t size = 0;
  while (size < rest_.size() && is_in_class(rest_[size], bit)) ++size;
  const std::string_view out = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return out;
}

std::string_view Cursor::word() {
  const std::string_view out = take(kWordBit);
  if (out.empty()) fail(kAtomExpected);
  return out;
}

std::string_view Cursor::atom() {
  const std::string_view out = take(kAtomBit);
  if (out.empty()) fail(kAtomExpected);
  return out;
}

std::string Cursor::upper_atom() { return to_upper(atom()); }

std::string Cursor::quoted() {
  std::string out;
  rest_.remove_prefix(1);
  while (!rest_.empty() && rest_.front() != '"') {
    if (skip('\\') && peek() != '"' && peek() != '\\') break;
    const char c = peek();
    if (c == '\0' || c == '\r' || c == '\n') break;
    out += c;
    rest_.remove_prefix(1);
  }
  if (!skip('"')) {
    fail(kQuotedMalformed);
    return {};
  }
  return out;
}

std::string Cursor::literal() {
  const auto head = literal_at_start(rest_);
  if (!head || head->binary) {
    fail(kLiteralMalformed);
    return {};
  }
  rest_.remove_prefix(head->length);
  if (rest_.empty()) {
    wants_literal_ = true;
    fail(kLiteralMalformed);
    return {};
  }
  if (!rest_.starts_with("\r\n") || rest_.size() - 2 < head->size) {
    fail(kLiteralMalformed);
    return {};
  }
  std::string out(rest_.substr(2, head->size));
  rest_.remove_prefix(2 + head->size);
  if (out.find('\0') != std::string::npos) {
    fail(kNulInString);
    return {};
  }
  return out;
}

std::string Cursor::string() {
  if (peek() == '"') return quoted();
  if (peek() == '{') return literal();
  fail(kStringExpected);
  return {};
}

std::string Cursor::astring() {
  if (peek() == '"' || peek() == '{') return string();
  const std::string_view out = take(kAstringBit);
  if (out.empty()) fail(kStringExpected);
  return std::string(out);
}

std::optional<std::string> Cursor::nstring() {
  if (skip_word("NIL")) return std::nullopt;
  return string();
}

uint64_t Cursor::number64() {
  size_t size = 0;
  while (size < rest_.size() && is_digit(rest_[size])) ++size;
  const auto value = parse_u64(rest_.substr(0, size));
  if (!value || *value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    fail(kNumberExpected);
    return 0;
  }
  rest_.remove_prefix(size);
  return *value;
}

uint32_t Cursor::number() {
  const uint64_t value = number64();
  if (value > std::numeric_limits<uint32_t>::max()) {
    fail(kNumberExpected);
    return 0;
  }
  return static_cast<uint32_t>(value);
}

uint32_t Cursor::nz_number() {
  const uint32_t value = number();
  if (value == 0) fail(kNumberExpected);
  return value;
}

std::string Cursor::named(std::string raw, bool pattern) {
  if (!ok()) return {};
  auto name = pattern ? pattern_from_wire(raw, names_) : mailbox_from_wire(raw, names_);
  if (!name) {
    fail(kMailboxMalformed);
    return {};
  }
  return *std::move(name);
}

std::string Cursor::mailbox() {
  std::string out = reference();
  if (out.empty()) fail(kMailboxMalformed);
  return out;
}

std::string Cursor::reference() { return named(astring(), false); }

std::string Cursor::list_pattern() {
  if (peek() == '"' || peek() == '{') return named(string(), true);
  const std::string_view raw = take(kListBit);
  if (raw.empty()) fail(kStringExpected);
  return named(std::string(raw), true);
}

SequenceSet Cursor::sequence_set() {
  size_t size = 0;
  while (size < rest_.size() &&
         (is_digit(rest_[size]) || std::string_view(":,*$").contains(rest_[size]))) {
    ++size;
  }
  auto set = SequenceSet::parse(rest_.substr(0, size));
  if (!set) {
    fail(kSetMalformed);
    return {};
  }
  rest_.remove_prefix(size);
  return *std::move(set);
}

FlagSet Cursor::flag_list() {
  FlagSet flags;
  open();
  if (skip(')')) return flags;
  do flag_into(flags);
  while (another());
  return flags;
}

void Cursor::flag_into(FlagSet& flags) {
  if (!skip('\\')) {
    const std::string_view keyword = atom();
    if (ok() && !flags.add_keyword(keyword)) fail(kTooManyFlags);
    return;
  }
  const auto flag = system_flag_from(std::string("\\").append(atom()));
  if (flag) {
    flags.set(*flag);
  } else {
    fail(kFlagMalformed);
  }
}

CalendarDate Cursor::date() {
  const std::string text = astring();
  const auto out = parse_date(text);
  if (!out) fail(kDateMalformed);
  return out.value_or(CalendarDate{});
}

DateTime Cursor::date_time() {
  const std::string text = peek() == '"' ? quoted() : std::string();
  const auto out = parse_date_time(text);
  if (!out) fail(kDateMalformed);
  return out.value_or(DateTime{});
}

std::optional<LiteralHead> Cursor::message_literal() {
  const auto head = literal_at_start(rest_);
  if (!head || head->length != rest_.size()) {
    fail(kLiteralMalformed);
    return std::nullopt;
  }
  rest_ = {};
  return head;
}

}  // namespace ph::imap::detail
