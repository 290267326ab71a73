#include "codec/mime/envelope.h"

#include <iterator>

namespace ph::mime {
namespace {

void keep_first(std::optional<std::string>& slot, const Field& field) {
  if (!slot) slot = field.value();
}

void add(std::vector<Address>& list, const Field& field, size_t limit) {
  if (list.size() >= limit) return;
  std::vector<Address> more = parse_address_list(field.raw, limit - list.size());
  list.insert(list.end(), std::make_move_iterator(more.begin()),
              std::make_move_iterator(more.end()));
}

// Fields that may stand only once (RFC 5322 section 3.6): the first that says something.
void add_once(std::vector<Address>& list, const Field& field, size_t limit) {
  if (list.empty()) add(list, field, limit);
}

void read_addresses(Envelope& out, const Field& field, size_t limit) {
  if (field.is("From")) add_once(out.from, field, limit);
  if (field.is("Sender")) add_once(out.sender, field, limit);
  if (field.is("Reply-To")) add_once(out.reply_to, field, limit);
  if (field.is("To")) add(out.to, field, limit);
  if (field.is("Cc")) add(out.cc, field, limit);
  if (field.is("Bcc")) add(out.bcc, field, limit);
}

}  // namespace

Envelope make_envelope(const HeaderView& header, size_t address_limit) {
  Envelope out;
  for (const Field& field : header) {
    if (field.is("Date")) keep_first(out.date, field);
    if (field.is("Subject")) keep_first(out.subject, field);
    if (field.is("In-Reply-To")) keep_first(out.in_reply_to, field);
    if (field.is("Message-ID")) keep_first(out.message_id, field);
    read_addresses(out, field, address_limit);
  }
  if (out.sender.empty()) out.sender = out.from;
  if (out.reply_to.empty()) out.reply_to = out.from;
  return out;
}

}  // namespace ph::mime
