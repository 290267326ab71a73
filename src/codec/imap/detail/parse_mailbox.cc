// Commands about mailboxes: LIST, LSUB, CREATE, RENAME, STATUS, SELECT, EXAMINE.
#include "base/text.h"
#include "codec/imap/detail/command_table.h"
#include "codec/imap/errors.h"

namespace ph::imap::detail {

namespace {

constexpr size_t kPatternsMax = 100;
constexpr size_t kUsesMax = 16;

// RFC 5258 section 3.1: "(SUBSCRIBED RECURSIVEMATCH)".
cmd::List::Select parse_list_select(Cursor& in) {
  cmd::List::Select out;
  in.open();
  if (in.skip(')')) return out;
  do {
    if (in.skip_word("SUBSCRIBED")) {
      out.subscribed = true;
    } else if (in.skip_word("REMOTE")) {
      out.remote = true;
    } else if (in.skip_word("RECURSIVEMATCH")) {
      out.recursive_match = true;
    } else if (in.skip_word("SPECIAL-USE")) {
      out.special_use = true;
    } else {
      in.fail(kUnknownOption);
    }
  } while (in.another());
  // RECURSIVEMATCH needs something to match (RFC 5258 section 3.1).
  if (out.recursive_match && !out.subscribed && !out.special_use) in.fail(kUnknownOption);
  return out;
}

cmd::List::Return parse_list_return(Cursor& in) {
  cmd::List::Return out;
  in.open();
  if (in.skip(')')) return out;
  do {
    if (in.skip_word("SUBSCRIBED")) {
      out.subscribed = true;
    } else if (in.skip_word("CHILDREN")) {
      out.children = true;
    } else if (in.skip_word("SPECIAL-USE")) {
      out.special_use = true;
    } else if (in.skip_word("STATUS")) {
      in.space();
      out.status = parse_status_items(in);
    } else {
      in.fail(kUnknownOption);
    }
  } while (in.another());
  return out;
}

std::vector<std::string> parse_list_patterns(Cursor& in) {
  std::vector<std::string> out;
  in.open();
  do {
    if (out.size() >= kPatternsMax) in.fail(kTooManyItems);
    out.push_back(in.list_pattern());
  } while (in.another());
  return out;
}

// RFC 7162 section 3.2.5: "(uidvalidity modseq [known-uids] [(numbers uids)])".
cmd::Resync parse_resync(Cursor& in) {
  cmd::Resync out;
  in.open();
  out.uid_validity = in.nz_number();
  in.space();
  out.modseq = in.number64();
  if (out.modseq == 0) in.fail(kNumberExpected);
  if (!in.another()) return out;
  if (in.peek() != '(') {
    out.known_uids = in.sequence_set();
    if (!in.another()) return out;
  }
  in.open();
  out.sample_numbers = in.sequence_set();
  in.space();
  out.sample_uids = in.sequence_set();
  if (!in.skip(')') || !in.skip(')')) in.fail(kParenthesisExpected);
  return out;
}

cmd::Select parse_mailbox_opening(Cursor& in) {
  cmd::Select out;
  in.space();
  out.mailbox = in.mailbox();
  if (!in.skip(' ')) return out;
  in.open();
  do {
    if (in.skip_word("CONDSTORE")) {
      out.condstore = true;
    } else if (in.skip_word("QRESYNC")) {
      in.space();
      out.resync = parse_resync(in);
    } else {
      in.fail(kUnknownOption);
    }
  } while (in.another());
  return out;
}

}  // namespace

Command parse_list(Cursor& in, const CommandRow&) {
  cmd::List out;
  in.space();
  if (in.peek() == '(') {
    out.extended = true;
    out.select = parse_list_select(in);
    in.space();
  }
  out.reference = in.reference();
  in.space();
  if (in.peek() == '(') {
    out.extended = true;
    out.patterns = parse_list_patterns(in);
  } else {
    out.patterns.push_back(in.list_pattern());
  }
  if (in.skip(' ')) {
    out.extended = true;
    if (!in.skip_word("RETURN")) in.fail(kUnknownOption);
    in.space();
    out.returns = parse_list_return(in);
  }
  return out;
}

Command parse_lsub(Cursor& in, const CommandRow&) {
  cmd::Lsub out;
  in.space();
  out.reference = in.reference();
  in.space();
  out.pattern = in.list_pattern();
  return out;
}

Command parse_create(Cursor& in, const CommandRow&) {
  cmd::Create out;
  in.space();
  out.mailbox = in.mailbox();
  if (!in.skip(' ')) return out;
  // RFC 6154 section 3: " (USE (\Sent))".
  in.open();
  if (!in.skip_word("USE")) in.fail(kUnknownOption);
  in.space();
  in.open();
  if (!in.skip(')')) {
    do {
      if (!in.skip('\\') || out.uses.size() >= kUsesMax) in.fail(kUnknownOption);
      out.uses.push_back(std::string("\\").append(in.atom()));
    } while (in.another());
  }
  if (!in.skip(')')) in.fail(kParenthesisExpected);
  return out;
}

Command parse_rename(Cursor& in, const CommandRow&) {
  cmd::Rename out;
  in.space();
  out.from = in.mailbox();
  in.space();
  out.to = in.mailbox();
  return out;
}

StatusItems parse_status_items(Cursor& in) {
  struct Row {
    std::string_view name;
    bool StatusItems::* member;
  };
  static constexpr Row kRows[] = {
      {"MESSAGES", &StatusItems::messages}, {"RECENT", &StatusItems::recent},
      {"UIDNEXT", &StatusItems::uid_next},  {"UIDVALIDITY", &StatusItems::uid_validity},
      {"UNSEEN", &StatusItems::unseen},     {"SIZE", &StatusItems::size},
      {"DELETED", &StatusItems::deleted},   {"HIGHESTMODSEQ", &StatusItems::highest_modseq},
  };
  StatusItems out;
  in.open();
  do {
    const std::string_view name = in.word();
    bool known = false;
    for (const Row& row : kRows) {
      if (!iequals(row.name, name)) continue;
      out.*row.member = true;
      known = true;
    }
    if (!known) in.fail(kUnknownItem);
  } while (in.another());
  return out;
}

Command parse_status(Cursor& in, const CommandRow&) {
  cmd::Status out;
  in.space();
  out.mailbox = in.mailbox();
  in.space();
  out.items = parse_status_items(in);
  return out;
}

Command parse_select(Cursor& in, const CommandRow&) { return parse_mailbox_opening(in); }

Command parse_examine(Cursor& in, const CommandRow&) {
  cmd::Select out = parse_mailbox_opening(in);
  out.read_only = true;
  return out;
}

}  // namespace ph::imap::detail
