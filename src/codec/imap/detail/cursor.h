// Reads the pieces of one complete command from left to right.
//
// The first piece that is not as it should be spoils the cursor for good: ok() is false, problem()
// says why, every later read gives an empty value and at_end() is true, so that a parse function
// reads everything and its caller asks once. The command's text has its literals in it, as they
// came: "{3}\r\nabc".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "codec/imap/date.h"
#include "codec/imap/detail/char_class.h"
#include "codec/imap/detail/literal.h"
#include "codec/imap/flag_set.h"
#include "codec/imap/mailbox_name.h"
#include "codec/imap/sequence_set.h"

namespace ph::imap::detail {

class Cursor {
 public:
  Cursor(std::string_view text, NameForm names) : rest_(text), names_(names) {}

  bool ok() const { return problem_.empty(); }
  std::string_view problem() const { return problem_; }
  // The reason must outlive the cursor: one of errors.h.
  void fail(std::string_view why);
  // True if reading stopped at a literal that is announced but not here yet.
  bool wants_literal() const { return wants_literal_; }

  bool at_end() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool skip(char c);                      // true and past it if it is next
  bool skip_word(std::string_view word);  // the same for a whole keyword, in any case
  void space();
  void open();     // "("
  bool another();  // between items of a list: true past a space, false past ")"
  void bracket(char c);
  void end();

  std::string_view take(CharBit bit);  // the longest run, perhaps empty
  std::string_view word();             // a keyword; never empty while ok
  std::string_view atom();
  std::string upper_atom();
  std::string string();   // quoted or literal
  std::string astring();  // atom, "]" allowed, or string
  std::optional<std::string> nstring();
  uint32_t number();     // 0 to 2^32 - 1
  uint32_t nz_number();  // not 0
  uint64_t number64();   // up to 2^63 - 1

  std::string mailbox();    // not empty
  std::string reference();  // the same, perhaps empty
  std::string list_pattern();
  SequenceSet sequence_set();
  FlagSet flag_list();  // in parentheses
  void flag_into(FlagSet& flags);
  CalendarDate date();
  DateTime date_time();
  // The announcement of the message that comes next, at the very end of the text.
  std::optional<LiteralHead> message_literal();

 private:
  std::string quoted();
  std::string literal();
  std::string named(std::string raw, bool pattern);

  std::string_view rest_;
  std::string_view problem_;
  NameForm names_;
  bool wants_literal_ = false;
};

}  // namespace ph::imap::detail
