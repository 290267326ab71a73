// SEARCH and UID SEARCH (RFC 3501 section 6.4.4, RFC 4731, RFC 5032, RFC 7162).
#include <algorithm>
#include <array>

#include "base/text.h"
#include "codec/imap/detail/command_table.h"
#include "codec/imap/errors.h"

namespace ph::imap::detail {

namespace {

enum class Argument : uint8_t {
  none,
  flag,    // none on the wire; Row::flag
  header,  // a text; Row::field
  text,
  field_and_text,
  keyword,
  date,
  number,
  seconds,
  uid_set,
  modseq,
  is_not,
  either,
  is_new,
};

struct Row {
  std::string_view name;
  SearchKind kind;
  Argument argument = Argument::none;
  SystemFlag flag = SystemFlag::seen;
  std::string_view field = {};
};

constexpr auto kKeys = std::to_array<Row>({
    {"ALL", SearchKind::all},
    {"ANSWERED", SearchKind::has_flag, Argument::flag, SystemFlag::answered},
    {"BCC", SearchKind::header, Argument::header, {}, "Bcc"},
    {"BEFORE", SearchKind::before, Argument::date},
    {"BODY", SearchKind::body, Argument::text},
    {"CC", SearchKind::header, Argument::header, {}, "Cc"},
    {"DELETED", SearchKind::has_flag, Argument::flag, SystemFlag::deleted},
    {"DRAFT", SearchKind::has_flag, Argument::flag, SystemFlag::draft},
    {"FLAGGED", SearchKind::has_flag, Argument::flag, SystemFlag::flagged},
    {"FROM", SearchKind::header, Argument::header, {}, "From"},
    {"HEADER", SearchKind::header, Argument::field_and_text},
    {"KEYWORD", SearchKind::has_keyword, Argument::keyword},
    {"LARGER", SearchKind::larger, Argument::number},
    {"MODSEQ", SearchKind::modseq, Argument::modseq},
    {"NEW", SearchKind::all_of, Argument::is_new},
    {"NOT", SearchKind::none_of, Argument::is_not},
    {"OLD", SearchKind::lacks_flag, Argument::flag, SystemFlag::recent},
    {"OLDER", SearchKind::older, Argument::seconds},
    {"ON", SearchKind::on, Argument::date},
    {"OR", SearchKind::any_of, Argument::either},
    {"RECENT", SearchKind::has_flag, Argument::flag, SystemFlag::recent},
    {"SEEN", SearchKind::has_flag, Argument::flag, SystemFlag::seen},
    {"SENTBEFORE", SearchKind::sent_before, Argument::date},
    {"SENTON", SearchKind::sent_on, Argument::date},
    {"SENTSINCE", SearchKind::sent_since, Argument::date},
    {"SINCE", SearchKind::since, Argument::date},
    {"SMALLER", SearchKind::smaller, Argument::number},
    {"SUBJECT", SearchKind::header, Argument::header, {}, "Subject"},
    {"TEXT", SearchKind::text, Argument::text},
    {"TO", SearchKind::header, Argument::header, {}, "To"},
    {"UID", SearchKind::uid, Argument::uid_set},
    {"UNANSWERED", SearchKind::lacks_flag, Argument::flag, SystemFlag::answered},
    {"UNDELETED", SearchKind::lacks_flag, Argument::flag, SystemFlag::deleted},
    {"UNDRAFT", SearchKind::lacks_flag, Argument::flag, SystemFlag::draft},
    {"UNFLAGGED", SearchKind::lacks_flag, Argument::flag, SystemFlag::flagged},
    {"UNKEYWORD", SearchKind::lacks_keyword, Argument::keyword},
    {"UNSEEN", SearchKind::lacks_flag, Argument::flag, SystemFlag::seen},
    {"YOUNGER", SearchKind::younger, Argument::seconds},
});

// Reads keys by recursion, which kSearchDepthMax ends.
class SearchReader {
 public:
  explicit SearchReader(Cursor& in) : in_(in) {}

  SearchKey list() {
    SearchKey out{.kind = SearchKind::all_of};
    do out.children.push_back(key(0));
    while (in_.skip(' '));
    return out;
  }
  bool saw_modseq() const { return saw_modseq_; }

 private:
  SearchKey key(size_t depth) {
    SearchKey out;
    if (depth >= kSearchDepthMax) in_.fail(kSearchTooDeep);
    if (++count_ > kSearchKeysMax) in_.fail(kSearchTooLong);
    const char c = in_.peek();
    if (in_.skip('(')) {
      out.kind = SearchKind::all_of;
      do out.children.push_back(key(depth + 1));
      while (in_.another());
    } else if (is_digit(c) || c == '*' || c == '$') {
      out.kind = SearchKind::sequence;
      out.numbers = in_.sequence_set();
    } else {
      named(out, depth);
    }
    return out;
  }

  void named(SearchKey& out, size_t depth) {
    const std::string_view name = in_.word();
    const auto row = std::find_if(kKeys.begin(), kKeys.end(),
                                  [&](const Row& r) { return iequals(r.name, name); });
    if (row == kKeys.end()) {
      in_.fail(kUnknownSearchKey);
      return;
    }
    out.kind = row->kind;
    if (row->argument == Argument::flag) out.flag = row->flag;
    out.field = row->field;
    if (row->argument == Argument::none || row->argument == Argument::flag) return;
    if (row->argument == Argument::is_new) {  // RECENT UNSEEN
      out.children.push_back({.kind = SearchKind::has_flag, .flag = SystemFlag::recent});
      out.children.push_back({.kind = SearchKind::lacks_flag, .flag = SystemFlag::seen});
      return;
    }
    in_.space();
    argument(out, row->argument, depth);
  }

  void argument(SearchKey& out, Argument what, size_t depth) {
    switch (what) {
      case Argument::header:
      case Argument::text: out.text = in_.astring(); return;
      case Argument::field_and_text:
        out.field = in_.astring();
        in_.space();
        out.text = in_.astring();
        return;
      case Argument::keyword: out.text = in_.atom(); return;
      case Argument::date: out.date = in_.date(); return;
      case Argument::number: out.number = in_.number64(); return;
      case Argument::seconds: out.number = in_.nz_number(); return;
      case Argument::uid_set: out.numbers = in_.sequence_set(); return;
      case Argument::modseq: modseq(out); return;
      case Argument::is_not: out.children.push_back(key(depth + 1)); return;
      case Argument::either:
        out.children.push_back(key(depth + 1));
        in_.space();
        out.children.push_back(key(depth + 1));
        return;
      case Argument::none:
      case Argument::flag:
      case Argument::is_new: return;
    }
  }

  // RFC 7162 section 3.1.5: ["/flags/\Draft" all|priv|shared] number. We keep one counter for all
  // metadata of a message, so the entry narrows nothing.
  void modseq(SearchKey& out) {
    saw_modseq_ = true;
    if (in_.peek() == '"') {
      in_.string();
      in_.space();
      const bool known = in_.skip_word("all") || in_.skip_word("priv") || in_.skip_word("shared");
      if (!known) in_.fail(kUnknownOption);
      in_.space();
    }
    out.number = in_.number64();
  }

  Cursor& in_;
  size_t count_ = 0;
  bool saw_modseq_ = false;
};

SearchReturn parse_return(Cursor& in) {
  SearchReturn out;
  in.open();
  if (in.skip(')')) {
    out.all = true;
    return out;
  }
  do {
    if (in.skip_word("MIN")) {
      out.min = true;
    } else if (in.skip_word("MAX")) {
      out.max = true;
    } else if (in.skip_word("ALL")) {
      out.all = true;
    } else if (in.skip_word("COUNT")) {
      out.count = true;
    } else if (in.skip_word("SAVE")) {
      out.save = true;
    } else {
      in.fail(kUnknownOption);
    }
  } while (in.another());
  return out;
}

}  // namespace

Command parse_search(Cursor& in, const CommandRow& row) {
  cmd::Search out;
  out.by_uid = row.by_uid;
  in.space();
  if (in.skip_word("RETURN")) {
    in.space();
    out.returns = parse_return(in);
    in.space();
  }
  if (in.skip_word("CHARSET")) {
    in.space();
    out.charset = to_upper(in.astring());
    in.space();
  }
  SearchReader reader(in);
  out.key = reader.list();
  out.wants_modseq = reader.saw_modseq();
  return out;
}

}  // namespace ph::imap::detail
