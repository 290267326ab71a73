// Which command is read by which function, in which state of the session.
//
// A new command is a struct in command.h, a function declared here and written in the parse_*.cc of
// its family, and a row in command_table.cc.
#pragma once

#include <cstdint>
#include <string_view>

#include "codec/imap/command.h"
#include "codec/imap/detail/cursor.h"
#include "codec/imap/engine.h"

namespace ph::imap::detail {

enum StateBit : uint8_t {
  kBeforeLogin = 1,
  kAfterLogin = 2,
  kSelected = 4,
  kLoggedIn = kAfterLogin | kSelected,
  kAlways = kBeforeLogin | kLoggedIn,
};

// How a command hands its literals over.
enum class Literals : uint8_t {
  buffered,  // with the command
  append,    // as messages, streamed
};

// Who speaks after the command.
enum class Follow : uint8_t {
  command,    // the client, with its next command
  handshake,  // another layer (TLS): nothing more is read until the driver says so
  sasl,       // the driver with challenges, the client with responses
  idle,       // the client with DONE
};

struct CommandRow {
  std::string_view name;  // upper case; "UID FETCH" for the UID form
  uint8_t states = kAlways;
  // Reads what stands after the name and leaves the cursor spoiled if that is wrong. The engine
  // asks for the end of the text.
  Command (*parse)(Cursor& in, const CommandRow& row) = nullptr;
  bool by_uid = false;
  Literals literals = Literals::buffered;
  Follow follow = Follow::command;
};

// nullptr if there is none. In any case of letters.
const CommandRow* find_command(std::string_view name);
// "" if `row` is allowed in `state`, else why not.
std::string_view refusal(const CommandRow& row, SessionState state);

// What stands before a message of APPEND, from its mailbox on.
struct AppendHead {
  std::string mailbox;
  FlagSet flags;
  std::optional<DateTime> internal_date;
  bool utf8 = false;
  LiteralHead literal;
};
AppendHead parse_append_head(Cursor& in);  // " mailbox (flags) date {n}"
AppendHead parse_next_append(Cursor& in);  // " (flags) date {n}", RFC 3502

Command parse_authenticate(Cursor& in, const CommandRow& row);
Command parse_copy(Cursor& in, const CommandRow& row);
Command parse_create(Cursor& in, const CommandRow& row);
Command parse_enable(Cursor& in, const CommandRow& row);
Command parse_examine(Cursor& in, const CommandRow& row);
Command parse_expunge(Cursor& in, const CommandRow& row);
Command parse_fetch(Cursor& in, const CommandRow& row);
Command parse_id(Cursor& in, const CommandRow& row);
Command parse_list(Cursor& in, const CommandRow& row);
Command parse_login(Cursor& in, const CommandRow& row);
Command parse_lsub(Cursor& in, const CommandRow& row);
Command parse_move(Cursor& in, const CommandRow& row);
Command parse_rename(Cursor& in, const CommandRow& row);
Command parse_search(Cursor& in, const CommandRow& row);
Command parse_select(Cursor& in, const CommandRow& row);
Command parse_status(Cursor& in, const CommandRow& row);
Command parse_store(Cursor& in, const CommandRow& row);

// For both STATUS and LIST: "(MESSAGES UNSEEN)".
StatusItems parse_status_items(Cursor& in);

}  // namespace ph::imap::detail
