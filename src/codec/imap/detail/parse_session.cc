// Commands about the session: LOGIN, AUTHENTICATE, ENABLE, ID.
#include "base/text.h"
#include "codec/imap/detail/command_table.h"
#include "codec/imap/errors.h"

namespace ph::imap::detail {

namespace {

// RFC 2971 section 3.3.
constexpr size_t kIdFieldsMax = 30;
constexpr size_t kIdNameMax = 30;
constexpr size_t kIdValueMax = 1024;

constexpr size_t kEnableMax = 64;

}  // namespace

Command parse_login(Cursor& in, const CommandRow&) {
  cmd::Login out;
  in.space();
  out.user = in.astring();
  in.space();
  out.password = in.astring();
  return out;
}

Command parse_authenticate(Cursor& in, const CommandRow&) {
  cmd::Authenticate out;
  in.space();
  out.mechanism = in.upper_atom();
  if (!in.skip(' ')) return out;
  // RFC 4959: base64, or "=" for an empty response.
  const std::string_view text = in.take(kAstringBit);
  auto data = text == "=" ? std::string() : base64_decode(text);
  if (!data || text.empty()) in.fail(kBase64Malformed);
  out.initial_response = std::move(data);
  return out;
}

Command parse_enable(Cursor& in, const CommandRow&) {
  cmd::Enable out;
  in.space();
  do out.capabilities.push_back(in.upper_atom());
  while (in.skip(' ') && out.capabilities.size() < kEnableMax);
  return out;
}

Command parse_id(Cursor& in, const CommandRow&) {
  cmd::Id out;
  in.space();
  if (in.skip_word("NIL")) return out;
  in.open();
  if (in.skip(')')) return out;
  do {
    std::string field = in.string();
    in.space();
    std::optional<std::string> value = in.nstring();
    const bool fits = field.size() <= kIdNameMax && out.fields.size() < kIdFieldsMax &&
                      (!value || value->size() <= kIdValueMax);
    if (!fits) in.fail(kIdMalformed);
    out.fields.emplace_back(std::move(field), std::move(value));
  } while (in.another());
  return out;
}

}  // namespace ph::imap::detail
