// Commands about messages but FETCH and SEARCH: STORE, COPY, MOVE, EXPUNGE, APPEND.
#include "base/text.h"
#include "codec/imap/detail/command_table.h"
#include "codec/imap/errors.h"

namespace ph::imap::detail {

namespace {

template <class T>
T parse_transfer(Cursor& in, const CommandRow& row) {
  T out;
  out.by_uid = row.by_uid;
  in.space();
  out.numbers = in.sequence_set();
  in.space();
  out.mailbox = in.mailbox();
  return out;
}

// From after the mailbox: " [(flags) ][date ][UTF8 (]{n}".
void parse_append_rest(Cursor& in, AppendHead& out) {
  in.space();
  if (in.peek() == '(') {
    out.flags = in.flag_list();
    in.space();
  }
  if (in.peek() == '"') {
    out.internal_date = in.date_time();
    in.space();
  }
  // RFC 6855 section 4: "UTF8 (~{n}".
  if (in.skip_word("UTF8")) {
    out.utf8 = true;
    in.space();
    in.open();
    if (in.peek() != '~') in.fail(kLiteralMalformed);
  }
  const auto literal = in.message_literal();
  if (literal) out.literal = *literal;
}

}  // namespace

Command parse_store(Cursor& in, const CommandRow& row) {
  cmd::Store out;
  out.by_uid = row.by_uid;
  in.space();
  out.numbers = in.sequence_set();
  in.space();
  if (in.skip('(')) {  // RFC 7162 section 3.1.3
    if (!in.skip_word("UNCHANGEDSINCE")) in.fail(kUnknownOption);
    in.space();
    out.unchanged_since = in.number64();
    if (!in.skip(')')) in.fail(kParenthesisExpected);
    in.space();
  }
  if (in.skip('+')) {
    out.mode = cmd::StoreMode::add;
  } else if (in.skip('-')) {
    out.mode = cmd::StoreMode::remove;
  }
  out.silent = in.skip_word("FLAGS.SILENT");
  if (!out.silent && !in.skip_word("FLAGS")) in.fail(kUnknownItem);
  in.space();
  if (in.peek() == '(') {
    out.flags = in.flag_list();
  } else {
    do in.flag_into(out.flags);
    while (in.skip(' '));
  }
  return out;
}

Command parse_copy(Cursor& in, const CommandRow& row) { return parse_transfer<cmd::Copy>(in, row); }

Command parse_move(Cursor& in, const CommandRow& row) { return parse_transfer<cmd::Move>(in, row); }

Command parse_expunge(Cursor& in, const CommandRow& row) {
  cmd::Expunge out;
  if (row.by_uid) {
    in.space();
    out.uids = in.sequence_set();
  }
  return out;
}

AppendHead parse_append_head(Cursor& in) {
  AppendHead out;
  in.space();
  out.mailbox = in.mailbox();
  parse_append_rest(in, out);
  return out;
}

AppendHead parse_next_append(Cursor& in) {
  AppendHead out;
  parse_append_rest(in, out);
  return out;
}

}  // namespace ph::imap::detail
