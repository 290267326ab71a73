#include "codec/imap/detail/command_table.h"

#include <array>

#include "base/text.h"
#include "codec/imap/errors.h"

namespace ph::imap::detail {

namespace {

// For commands that are a name and nothing else.
template <class T>
Command parse_bare(Cursor&, const CommandRow&) {
  return T{};
}

// For commands that are a name and a mailbox.
template <class T>
Command parse_mailbox(Cursor& in, const CommandRow&) {
  in.space();
  return T{in.mailbox()};
}

// APPEND without a message: whatever stands there, the message is missing.
Command parse_append_alone(Cursor& in, const CommandRow&) {
  parse_append_head(in);
  in.fail(kLiteralMalformed);
  return cmd::Noop{};
}

constexpr auto kCommands = std::to_array<CommandRow>({
    {"CAPABILITY", kAlways, parse_bare<cmd::Capability>},
    {"NOOP", kAlways, parse_bare<cmd::Noop>},
    {"LOGOUT", kAlways, parse_bare<cmd::Logout>},
    {"ID", kAlways, parse_id},
    {.name = "STARTTLS",
     .states = kBeforeLogin,
     .parse = parse_bare<cmd::Starttls>,
     .follow = Follow::handshake},
    {"LOGIN", kBeforeLogin, parse_login},
    {.name = "AUTHENTICATE",
     .states = kBeforeLogin,
     .parse = parse_authenticate,
     .follow = Follow::sasl},
    {"ENABLE", kLoggedIn, parse_enable},
    {"NAMESPACE", kLoggedIn, parse_bare<cmd::Namespace>},
    {"LIST", kLoggedIn, parse_list},
    {"LSUB", kLoggedIn, parse_lsub},
    {"SUBSCRIBE", kLoggedIn, parse_mailbox<cmd::Subscribe>},
    {"UNSUBSCRIBE", kLoggedIn, parse_mailbox<cmd::Unsubscribe>},
    {"CREATE", kLoggedIn, parse_create},
    {"DELETE", kLoggedIn, parse_mailbox<cmd::Delete>},
    {"RENAME", kLoggedIn, parse_rename},
    {"STATUS", kLoggedIn, parse_status},
    {"SELECT", kLoggedIn, parse_select},
    {"EXAMINE", kLoggedIn, parse_examine},
    {.name = "APPEND",
     .states = kLoggedIn,
     .parse = parse_append_alone,
     .literals = Literals::append},
    {.name = "IDLE", .states = kLoggedIn, .parse = parse_bare<cmd::Idle>, .follow = Follow::idle},
    {"CHECK", kSelected, parse_bare<cmd::Check>},
    {"CLOSE", kSelected, parse_bare<cmd::Close>},
    {"UNSELECT", kSelected, parse_bare<cmd::Unselect>},
    {"EXPUNGE", kSelected, parse_expunge},
    {"UID EXPUNGE", kSelected, parse_expunge, true},
    {"SEARCH", kSelected, parse_search},
    {"UID SEARCH", kSelected, parse_search, true},
    {"FETCH", kSelected, parse_fetch},
    {"UID FETCH", kSelected, parse_fetch, true},
    {"STORE", kSelected, parse_store},
    {"UID STORE", kSelected, parse_store, true},
    {"COPY", kSelected, parse_copy},
    {"UID COPY", kSelected, parse_copy, true},
    {"MOVE", kSelected, parse_move},
    {"UID MOVE", kSelected, parse_move, true},
});

uint8_t bit_of(SessionState state) {
  switch (state) {
    case SessionState::not_authenticated: return kBeforeLogin;
    case SessionState::authenticated: return kAfterLogin;
    case SessionState::selected: return kSelected;
  }
  return 0;
}

}  // namespace

const CommandRow* find_command(std::string_view name) {
  for (const CommandRow& row : kCommands) {
    if (iequals(row.name, name)) return &row;
  }
  return nullptr;
}

std::string_view refusal(const CommandRow& row, SessionState state) {
  if ((row.states & bit_of(state)) != 0) return {};
  if (state == SessionState::not_authenticated) return kNeedsLogin;
  return row.states == kBeforeLogin ? kOnlyBeforeLogin : kNeedsMailbox;
}

}  // namespace ph::imap::detail
