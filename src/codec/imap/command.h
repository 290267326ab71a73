// The commands of a client, as typed values.
//
// One struct a command, collected in the variant Command. The server engine makes them (engine.h);
// which name leads to which struct, and in which session state it is allowed, is the table in
// detail/command_table.cc. An extension adds a struct here and a row there.
//
// Mailbox names and list patterns are UTF-8 here, whatever the wire had (modified UTF-7 for
// IMAP4rev1), and INBOX in any case is "INBOX". Other strings are octets as sent. All lists are
// bounded by the engine's limits on the length of a command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "codec/imap/date.h"
#include "codec/imap/fetch_item.h"
#include "codec/imap/flag_set.h"
#include "codec/imap/search_key.h"
#include "codec/imap/sequence_set.h"

namespace ph::imap {

// The items of STATUS, also asked for by LIST ... RETURN (STATUS (...)).
struct StatusItems {
  bool messages = false;
  bool recent = false;
  bool uid_next = false;
  bool uid_validity = false;
  bool unseen = false;
  bool size = false;            // RFC 8438, RFC 9051
  bool deleted = false;         // RFC 9051
  bool highest_modseq = false;  // RFC 7162
  bool operator==(const StatusItems&) const = default;
};

namespace cmd {

struct Capability {
  bool operator==(const Capability&) const = default;
};
struct Noop {
  bool operator==(const Noop&) const = default;
};
struct Logout {
  bool operator==(const Logout&) const = default;
};
struct Starttls {  // the engine waits for ServerEngine::resume()
  bool operator==(const Starttls&) const = default;
};
struct Login {
  std::string user;
  std::string password;
  bool operator==(const Login&) const = default;
};
struct Authenticate {                           // the engine waits for challenge() or resume()
  std::string mechanism;                        // upper case
  std::optional<std::string> initial_response;  // decoded (RFC 4959); "=" is ""
  bool operator==(const Authenticate&) const = default;
};
struct Enable {
  std::vector<std::string> capabilities;  // upper case
  bool operator==(const Enable&) const = default;
};
struct Id {
  std::vector<std::pair<std::string, std::optional<std::string>>> fields;  // empty for NIL
  bool operator==(const Id&) const = default;
};
struct Namespace {
  bool operator==(const Namespace&) const = default;
};
struct List {
  struct Select {  // RFC 5258 section 3.1, RFC 6154
    bool subscribed = false;
    bool remote = false;
    bool recursive_match = false;
    bool special_use = false;
    bool operator==(const Select&) const = default;
  };
  struct Return {
    bool subscribed = false;
    bool children = false;
    bool special_use = false;
    std::optional<StatusItems> status;  // RFC 5819
    bool operator==(const Return&) const = default;
  };
  std::string reference;
  std::vector<std::string> patterns;  // one for the plain form; "" asks for the delimiter
  bool extended = false;              // any of RFC 5258's forms was used
  Select select;
  Return returns;
  bool operator==(const List&) const = default;
};
struct Lsub {
  std::string reference;
  std::string pattern;
  bool operator==(const Lsub&) const = default;
};
struct Subscribe {
  std::string mailbox;
  bool operator==(const Subscribe&) const = default;
};
struct Unsubscribe {
  std::string mailbox;
  bool operator==(const Unsubscribe&) const = default;
};
struct Create {
  std::string mailbox;
  std::vector<std::string> uses;  // RFC 6154: "\Sent"
  bool operator==(const Create&) const = default;
};
struct Delete {
  std::string mailbox;
  bool operator==(const Delete&) const = default;
};
struct Rename {
  std::string from;
  std::string to;
  bool operator==(const Rename&) const = default;
};
struct Status {
  std::string mailbox;
  StatusItems items;
  bool operator==(const Status&) const = default;
};
// QRESYNC parameter of SELECT (RFC 7162 section 3.2.5).
struct Resync {
  uint32_t uid_validity = 0;
  uint64_t modseq = 0;
  std::optional<SequenceSet> known_uids;
  std::optional<SequenceSet> sample_numbers;  // both or none
  std::optional<SequenceSet> sample_uids;
  bool operator==(const Resync&) const = default;
};
struct Select {
  std::string mailbox;
  bool read_only = false;  // EXAMINE
  bool condstore = false;
  std::optional<Resync> resync;
  bool operator==(const Select&) const = default;
};
struct Check {
  bool operator==(const Check&) const = default;
};
struct Close {
  bool operator==(const Close&) const = default;
};
struct Unselect {
  bool operator==(const Unselect&) const = default;
};
struct Expunge {
  std::optional<SequenceSet> uids;  // UID EXPUNGE (RFC 4315)
  bool operator==(const Expunge&) const = default;
};
struct Search {
  bool by_uid = false;
  std::optional<SearchReturn> returns;  // present: answer with ESEARCH
  std::string charset;                  // upper case; "" where none was named (US-ASCII, UTF-8)
  SearchKey key;                        // kind all_of, even for a single key
  bool wants_modseq = false;            // a MODSEQ key is in it
  bool operator==(const Search&) const = default;
};
struct Fetch {
  bool by_uid = false;
  SequenceSet numbers;
  std::vector<FetchItem> items;  // macros are expanded; UID FETCH always has uid; no duplicates
  std::optional<uint64_t> changed_since;
  bool vanished = false;
  bool has(FetchKind kind) const;
  bool operator==(const Fetch&) const = default;
};
enum class StoreMode : uint8_t { replace, add, remove };
struct Store {
  bool by_uid = false;
  SequenceSet numbers;
  StoreMode mode = StoreMode::replace;
  bool silent = false;
  FlagSet flags;
  std::optional<uint64_t> unchanged_since;
  bool operator==(const Store&) const = default;
};
struct Copy {
  bool by_uid = false;
  SequenceSet numbers;
  std::string mailbox;
  bool operator==(const Copy&) const = default;
};
struct Move {
  bool by_uid = false;
  SequenceSet numbers;
  std::string mailbox;
  bool operator==(const Move&) const = default;
};
struct Idle {  // the engine waits for idle() or resume()
  bool operator==(const Idle&) const = default;
};

}  // namespace cmd

// APPEND is not here: its octets are streamed as events of their own (engine.h).
using Command =
    std::variant<cmd::Capability, cmd::Noop, cmd::Logout, cmd::Starttls, cmd::Login,
                 cmd::Authenticate, cmd::Enable, cmd::Id, cmd::Namespace, cmd::List, cmd::Lsub,
                 cmd::Subscribe, cmd::Unsubscribe, cmd::Create, cmd::Delete, cmd::Rename,
                 cmd::Status, cmd::Select, cmd::Check, cmd::Close, cmd::Unselect, cmd::Expunge,
                 cmd::Search, cmd::Fetch, cmd::Store, cmd::Copy, cmd::Move, cmd::Idle>;

}  // namespace ph::imap
