#include "codec/imap/response_writer.h"

#include "codec/imap/detail/flags_out.h"
#include "codec/imap/detail/wire.h"

namespace ph::imap {

using detail::append_number;

namespace {

constexpr std::string_view kLineEnd = "\r\n";

std::string_view to_text(Condition condition) {
  switch (condition) {
    case Condition::ok: return "OK";
    case Condition::no: return "NO";
    case Condition::bad: return "BAD";
    case Condition::bye: return "BYE";
    case Condition::preauth: return "PREAUTH";
  }
  return {};
}

std::string number_code(std::string_view name, uint64_t value) {
  std::string out(name);
  out += ' ';
  append_number(out, value);
  return out;
}

void append_field(std::string& out, std::string_view name, uint64_t value) {
  out += ' ';
  out += name;
  out += ' ';
  append_number(out, value);
}

// "\"/\"", or NIL.
void append_delimiter(std::string& out, char delimiter) {
  if (delimiter == '\0') {
    out += "NIL";
  } else {
    detail::append_quoted(out, std::string_view(&delimiter, 1));
  }
}

void append_names(std::string& out, std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    out += ' ';
    out += name;
  }
  out += kLineEnd;
}

void append_numbered(std::string& out, uint32_t number, std::string_view what) {
  out += "* ";
  append_number(out, number);
  out += what;
}

}  // namespace

std::string uid_validity_code(uint32_t value) { return number_code("UIDVALIDITY", value); }
std::string uid_next_code(uint32_t value) { return number_code("UIDNEXT", value); }
std::string unseen_code(uint32_t number) { return number_code("UNSEEN", number); }
std::string highest_modseq_code(uint64_t value) { return number_code("HIGHESTMODSEQ", value); }

std::string modified_code(const SequenceSet& numbers) {
  std::string out = "MODIFIED ";
  numbers.append_to(out);
  return out;
}

std::string append_uid_code(const AppendedUids& appended) {
  std::string out = number_code("APPENDUID", appended.uid_validity);
  out += ' ';
  appended.uids.append_to(out);
  return out;
}

std::string copy_uid_code(const CopiedUids& copied) {
  std::string out = number_code("COPYUID", copied.uid_validity);
  out += ' ';
  copied.from.append_to(out);
  out += ' ';
  copied.to.append_to(out);
  return out;
}

std::string permanent_flags_code(const FlagSet& flags, NewKeywords keywords) {
  std::string out = "PERMANENTFLAGS ";
  detail::append_flags(out, flags);
  if (keywords == NewKeywords::allowed) {
    out.pop_back();
    out += flags.empty() ? "\\*)" : " \\*)";
  }
  return out;
}

void ResponseWriter::status(const StatusLine& line) {
  out_ += line.tag;
  out_ += ' ';
  out_ += to_text(line.condition);
  if (!line.code.empty()) {
    out_ += " [";
    out_ += line.code;
    out_ += ']';
  }
  out_ += ' ';
  // resp-text needs a character, and without a code it must not look like one.
  const bool blank = line.text.empty() || (line.code.empty() && line.text.front() == '[');
  if (blank) out_ += '-';
  detail::append_text(out_, line.text);
  out_ += kLineEnd;
}

void ResponseWriter::continuation(std::string_view text) {
  out_ += "+ ";
  detail::append_text(out_, text);
  out_ += kLineEnd;
}

void ResponseWriter::capability(std::span<const std::string_view> names) {
  out_ += "* CAPABILITY";
  append_names(out_, names);
}

void ResponseWriter::enabled(std::span<const std::string_view> names) {
  out_ += "* ENABLED";
  append_names(out_, names);
}

void ResponseWriter::name(std::string_view utf8) {
  const std::string wire = mailbox_to_wire(utf8, names_);
  if (names_ == NameForm::utf8) {
    detail::append_quoted(out_, wire);
  } else {
    detail::append_astring(out_, wire);
  }
}

void ResponseWriter::list_line(std::string_view start, const ListLine& line) {
  out_ += start;
  bool first = true;
  for (const std::string_view attribute : line.attributes) {
    if (!first) out_ += ' ';
    first = false;
    out_ += attribute;
  }
  out_ += ") ";
  append_delimiter(out_, line.delimiter);
  out_ += ' ';
  name(line.mailbox);
  if (!line.child_info.empty()) {
    char before = '(';
    out_ += " (\"CHILDINFO\" ";
    for (const std::string_view info : line.child_info) {
      out_ += before;
      before = ' ';
      detail::append_quoted(out_, info);
    }
    out_ += "))";
  }
  out_ += kLineEnd;
}

void ResponseWriter::mailbox_status(std::string_view mailbox, const StatusValues& values) {
  out_ += "* STATUS ";
  name(mailbox);
  out_ += " (";
  const size_t start = out_.size();
  const auto put = [this](std::string_view item, const auto& value) {
    if (value) append_field(out_, item, *value);
  };
  put("MESSAGES", values.messages);
  put("RECENT", values.recent);
  put("UIDNEXT", values.uid_next);
  put("UIDVALIDITY", values.uid_validity);
  put("UNSEEN", values.unseen);
  put("SIZE", values.size);
  put("DELETED", values.deleted);
  put("HIGHESTMODSEQ", values.highest_modseq);
  if (out_.size() > start) out_.erase(start, 1);  // the space before the first
  out_ += ")\r\n";
}

void ResponseWriter::flags(const FlagSet& flags) {
  out_ += "* FLAGS ";
  detail::append_flags(out_, flags);
  out_ += kLineEnd;
}

void ResponseWriter::exists(uint32_t count) { append_numbered(out_, count, " EXISTS\r\n"); }
void ResponseWriter::recent(uint32_t count) { append_numbered(out_, count, " RECENT\r\n"); }
void ResponseWriter::expunge(uint32_t number) { append_numbered(out_, number, " EXPUNGE\r\n"); }

void ResponseWriter::vanished(const SequenceSet& uids, VanishedKind kind) {
  if (uids.empty()) return;
  out_ += kind == VanishedKind::earlier ? "* VANISHED (EARLIER) " : "* VANISHED ";
  uids.append_to(out_);
  out_ += kLineEnd;
}

void ResponseWriter::search(const SearchResult& result) {
  out_ += "* SEARCH";
  for (const uint32_t number : result.numbers) {
    out_ += ' ';
    append_number(out_, number);
  }
  if (result.modseq && !result.numbers.empty()) {
    out_ += " (MODSEQ ";
    append_number(out_, *result.modseq);
    out_ += ')';
  }
  out_ += kLineEnd;
}

void ResponseWriter::extended_search(const ExtendedSearchResult& result) {
  out_ += "* ESEARCH (TAG ";
  detail::append_quoted(out_, result.tag);
  out_ += ')';
  if (result.by_uid) out_ += " UID";
  if (result.min) append_field(out_, "MIN", *result.min);
  if (result.max) append_field(out_, "MAX", *result.max);
  if (result.all != nullptr && !result.all->empty()) {
    out_ += " ALL ";
    result.all->append_to(out_);
  }
  if (result.count) append_field(out_, "COUNT", *result.count);
  if (result.modseq) append_field(out_, "MODSEQ", *result.modseq);
  out_ += kLineEnd;
}

void ResponseWriter::namespaces(const Namespaces& all) {
  out_ += "* NAMESPACE";
  for (const auto& entries : {all.personal, all.others, all.shared}) {
    if (entries.empty()) {
      out_ += " NIL";
      continue;
    }
    out_ += " (";
    for (const NamespaceEntry& entry : entries) {
      out_ += '(';
      detail::append_quoted(out_, mailbox_to_wire(entry.prefix, names_));
      out_ += ' ';
      append_delimiter(out_, entry.delimiter);
      out_ += ')';
    }
    out_ += ')';
  }
  out_ += kLineEnd;
}

void ResponseWriter::id(std::span<const std::pair<std::string_view, std::string_view>> fields) {
  out_ += "* ID ";
  if (fields.empty()) out_ += "NIL";
  char before = '(';
  for (const auto& [field, value] : fields) {
    out_ += before;
    before = ' ';
    detail::append_string(out_, field);
    out_ += ' ';
    detail::append_string(out_, value);
  }
  if (!fields.empty()) out_ += ')';
  out_ += kLineEnd;
}

}  // namespace ph::imap
