#include "codec/imap/detail/opening.h"

#include <string>

#include "base/text.h"
#include "codec/imap/errors.h"

namespace ph::imap::detail {

namespace {

const CommandRow* read_name(Cursor& in) {
  const std::string_view name = in.atom();
  if (!iequals(name, "UID")) return find_command(name);
  in.space();
  return find_command(std::string("UID ").append(in.atom()));
}

}  // namespace

Opening open_command(std::string_view text, const OpeningRules& rules) {
  Opening out{.arguments = Cursor(text, rules.names)};
  Cursor& in = out.arguments;
  const std::string_view tag = in.take(kTagBit);
  const bool ends_well = in.at_end() || in.peek() == ' ';
  if (tag.empty() || tag.size() > rules.tag_limit || !ends_well) {
    out.problem = kNoTag;
    return out;
  }
  out.tag = tag;
  in.space();
  out.row = read_name(in);
  if (out.row == nullptr || !in.ok()) {
    out.row = nullptr;
    out.reason = Rejection::unknown_command;
    out.problem = kUnknownCommand;
    return out;
  }
  out.problem = refusal(*out.row, rules.state);
  if (!out.problem.empty()) out.reason = Rejection::wrong_state;
  return out;
}

}  // namespace ph::imap::detail
