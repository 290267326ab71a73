// The first words of a command, its tag and its name, and whether it may go on.
#pragma once

#include <string_view>

#include "codec/imap/detail/command_table.h"

namespace ph::imap::detail {

struct OpeningRules {
  NameForm names = NameForm::modified_utf7;
  SessionState state = SessionState::not_authenticated;
  size_t tag_limit = 256;
};

struct Opening {
  std::string_view tag = {};        // "" where there is none
  const CommandRow* row = nullptr;  // not null where there is no problem
  std::string_view problem = {};    // of errors.h
  Rejection reason = Rejection::syntax;
  Cursor arguments;  // behind the name
};

// `text` is a command without the last CR LF, perhaps cut at a literal.
Opening open_command(std::string_view text, const OpeningRules& rules);

}  // namespace ph::imap::detail
