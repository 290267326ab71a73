// Writes server responses by plain appends to a string (the engine's output, or any other).
//
// Every verb writes whole lines with CRLF. What comes from a message or a user may hold any octets:
// it goes out quoted where it can and as a literal where it must, so that no value can end a line.
// `text` of a status line is for people: control characters in it become '?'. Names and values that
// are ours (capabilities, response codes, tags) must be clean. FETCH is in fetch_writer.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "codec/imap/command.h"
#include "codec/imap/flag_set.h"
#include "codec/imap/mailbox_name.h"
#include "codec/imap/sequence_set.h"

namespace ph::imap {

enum class Condition : uint8_t { ok, no, bad, bye, preauth };

struct StatusLine {
  std::string_view tag = "*";
  Condition condition = Condition::ok;
  std::string_view code = {};  // without brackets: "TRYCREATE", or from the functions below
  std::string_view text = {};
};

// Response codes with arguments (RFC 3501 section 7.1, RFC 4315, RFC 7162).
std::string uid_validity_code(uint32_t value);
std::string uid_next_code(uint32_t value);
std::string unseen_code(uint32_t number);
std::string highest_modseq_code(uint64_t value);
std::string modified_code(const SequenceSet& numbers);
struct AppendedUids {
  uint32_t uid_validity = 0;
  SequenceSet uids;
};
std::string append_uid_code(const AppendedUids& appended);
struct CopiedUids {  // of the target mailbox; both sets in the same order
  uint32_t uid_validity = 0;
  SequenceSet from;
  SequenceSet to;
};
std::string copy_uid_code(const CopiedUids& copied);
enum class NewKeywords : uint8_t { refused, allowed };  // allowed adds "\*"
std::string permanent_flags_code(const FlagSet& flags, NewKeywords keywords);

struct ListLine {
  std::span<const std::string_view> attributes = {};  // "\HasNoChildren", "\Sent"
  char delimiter = '/';                               // '\0' for NIL
  std::string_view mailbox = {};                      // UTF-8
  std::span<const std::string_view> child_info = {};  // RFC 5258: "SUBSCRIBED"
};

// Written in the order of the members; absent ones are left out.
struct StatusValues {
  std::optional<uint32_t> messages = {};
  std::optional<uint32_t> recent = {};
  std::optional<uint32_t> uid_next = {};
  std::optional<uint32_t> uid_validity = {};
  std::optional<uint32_t> unseen = {};
  std::optional<uint64_t> size = {};
  std::optional<uint32_t> deleted = {};
  std::optional<uint64_t> highest_modseq = {};
};

struct SearchResult {  // SEARCH of IMAP4rev1
  std::span<const uint32_t> numbers = {};
  std::optional<uint64_t> modseq = {};  // RFC 7162: the highest of those found
};

struct ExtendedSearchResult {  // ESEARCH (RFC 4731)
  std::string_view tag = {};
  bool by_uid = false;
  std::optional<uint32_t> min = {};
  std::optional<uint32_t> max = {};
  const SequenceSet* all = nullptr;  // left out when null or empty
  std::optional<uint32_t> count = {};
  std::optional<uint64_t> modseq = {};
};

struct NamespaceEntry {
  std::string_view prefix;
  char delimiter = '/';
};
struct Namespaces {  // an empty list is NIL
  std::span<const NamespaceEntry> personal = {};
  std::span<const NamespaceEntry> others = {};
  std::span<const NamespaceEntry> shared = {};
};

enum class VanishedKind : uint8_t { now, earlier };

class ResponseWriter {
 public:
  explicit ResponseWriter(std::string& out, NameForm names = NameForm::modified_utf7)
      : out_(out), names_(names) {}

  void status(const StatusLine& line);
  void continuation(std::string_view text);

  void capability(std::span<const std::string_view> names);
  void enabled(std::span<const std::string_view> names);
  void list(const ListLine& line) { list_line("* LIST (", line); }
  void lsub(const ListLine& line) { list_line("* LSUB (", line); }
  void mailbox_status(std::string_view mailbox, const StatusValues& values);
  void flags(const FlagSet& flags);
  void exists(uint32_t count);
  void recent(uint32_t count);
  void expunge(uint32_t number);
  void vanished(const SequenceSet& uids, VanishedKind kind);  // nothing for an empty set
  void search(const SearchResult& result);
  void extended_search(const ExtendedSearchResult& result);
  void namespaces(const Namespaces& all);
  // Pairs of field and value; NIL for none.
  void id(std::span<const std::pair<std::string_view, std::string_view>> fields);

 private:
  void list_line(std::string_view start, const ListLine& line);
  void name(std::string_view utf8);

  std::string& out_;
  NameForm names_;
};

}  // namespace ph::imap
