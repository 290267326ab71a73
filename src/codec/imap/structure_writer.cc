// ENVELOPE and BODYSTRUCTURE (RFC 9051 section 7.5.2). The depth of a structure is bounded by the
// parser that makes it (codec/mime, Limits::depth), so it is walked by recursion.
#include <span>

#include "codec/imap/detail/wire.h"
#include "codec/imap/fetch_writer.h"
#include "codec/mime/envelope.h"
#include "codec/mime/structure.h"

namespace ph::imap {

using detail::append_nstring;
using detail::append_number;
using detail::append_string;

namespace {

void append_addresses(std::string& out, const std::vector<mime::Address>& addresses) {
  if (addresses.empty()) {
    out += "NIL";
    return;
  }
  out += '(';
  for (const mime::Address& address : addresses) {
    out += '(';
    append_nstring(out, address.name);
    out += ' ';
    append_nstring(out, address.adl);
    out += ' ';
    append_nstring(out, address.mailbox);
    out += ' ';
    append_nstring(out, address.host);
    out += ')';
  }
  out += ')';
}

void append_parameters(std::string& out, const text::Parameters& parameters) {
  if (parameters.empty()) {
    out += "NIL";
    return;
  }
  char before = '(';
  for (const text::Parameter& parameter : parameters) {
    out += before;
    before = ' ';
    append_string(out, parameter.name);
    out += ' ';
    append_string(out, parameter.value);
  }
  out += ')';
}

void append_disposition(std::string& out, const std::optional<mime::Disposition>& disposition) {
  if (!disposition) {
    out += "NIL";
    return;
  }
  out += '(';
  append_string(out, disposition->type);
  out += ' ';
  append_parameters(out, disposition->parameters);
  out += ')';
}

void append_languages(std::string& out, std::span<const std::string> languages) {
  if (languages.empty()) {
    out += "NIL";
    return;
  }
  if (languages.size() == 1) return append_string(out, languages.front());
  char before = '(';
  for (const std::string& language : languages) {
    out += before;
    before = ' ';
    append_string(out, language);
  }
  out += ')';
}

// What both kinds of body end with, from the disposition on.
void append_extension(std::string& out, const mime::BodyStructure& s) {
  out += ' ';
  append_disposition(out, s.disposition);
  out += ' ';
  append_languages(out, s.languages);
  out += ' ';
  append_nstring(out, s.location);
}

void append_multipart(std::string& out, const mime::BodyStructure& s, StructureForm form) {
  for (const mime::BodyStructure& child : s.children) append_structure(out, child, form);
  out += ' ';
  append_string(out, s.subtype);
  if (form == StructureForm::basic) return;
  out += ' ';
  append_parameters(out, s.parameters);
  append_extension(out, s);
}

void append_single(std::string& out, const mime::BodyStructure& s, StructureForm form) {
  append_string(out, s.type);
  out += ' ';
  append_string(out, s.subtype);
  out += ' ';
  append_parameters(out, s.parameters);
  out += ' ';
  append_nstring(out, s.id);
  out += ' ';
  append_nstring(out, s.description);
  out += ' ';
  append_string(out, s.encoding);
  out += ' ';
  append_number(out, s.size_octets);
  if (s.kind == mime::BodyKind::message) {
    out += ' ';
    append_envelope(out, s.envelope ? *s.envelope : mime::Envelope{});
    out += ' ';
    append_structure(out, s.children.empty() ? mime::BodyStructure{} : s.children.front(), form);
  }
  if (s.kind == mime::BodyKind::message || s.kind == mime::BodyKind::text) {
    out += ' ';
    append_number(out, s.lines);
  }
  if (form == StructureForm::basic) return;
  out += ' ';
  append_nstring(out, s.md5);
  append_extension(out, s);
}

}  // namespace

void append_envelope(std::string& out, const mime::Envelope& envelope) {
  out += '(';
  append_nstring(out, envelope.date);
  out += ' ';
  append_nstring(out, envelope.subject);
  for (const auto* addresses : {&envelope.from, &envelope.sender, &envelope.reply_to, &envelope.to,
                                &envelope.cc, &envelope.bcc}) {
    out += ' ';
    append_addresses(out, *addresses);
  }
  out += ' ';
  append_nstring(out, envelope.in_reply_to);
  out += ' ';
  append_nstring(out, envelope.message_id);
  out += ')';
}

void append_structure(std::string& out, const mime::BodyStructure& structure, StructureForm form) {
  out += '(';
  // A multipart without children cannot be written; the grammar wants one at least.
  if (structure.kind == mime::BodyKind::multipart && !structure.children.empty()) {
    append_multipart(out, structure, form);
  } else {
    append_single(out, structure, form);
  }
  out += ')';
}

}  // namespace ph::imap
