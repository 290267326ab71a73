// IMAP-like text of envelopes and structures, so that tests can state them exactly. Tests only: the
// real serialiser is codec/imap's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codec/mime/structure.h"

namespace ph::mime {

inline std::string render(const std::optional<std::string>& s) {
  return s ? "\"" + *s + "\"" : "NIL";
}

inline std::string render(const std::vector<Address>& list) {
  if (list.empty()) return "NIL";
  std::string out = "(";
  for (const Address& a : list) {
    out += "(" + render(a.name) + " " + render(a.adl) + " " + render(a.mailbox) + " " +
           render(a.host) + ")";
  }
  return out + ")";
}

inline std::string render(const Envelope& e) {
  return "(" + render(e.date) + " " + render(e.subject) + " " + render(e.from) + " " +
         render(e.sender) + " " + render(e.reply_to) + " " + render(e.to) + " " + render(e.cc) +
         " " + render(e.bcc) + " " + render(e.in_reply_to) + " " + render(e.message_id) + ")";
}

inline std::string render(const text::Parameters& all) {
  if (all.empty()) return "NIL";
  std::string out;
  for (const text::Parameter& p : all) out += " \"" + p.name + "\" \"" + p.value + "\"";
  return "(" + out.substr(1) + ")";
}

inline std::string render_extension(const BodyStructure& b) {
  std::string out = " ";
  if (b.disposition) {
    out += "(\"" + b.disposition->type + "\" " + render(b.disposition->parameters) + ")";
  } else {
    out += "NIL";
  }
  std::string languages;
  for (const std::string& l : b.languages) languages += " \"" + l + "\"";
  out += languages.empty() ? " NIL" : " (" + languages.substr(1) + ")";
  return out + " " + render(b.location);
}

// BODYSTRUCTURE, or BODY if `extended` is 0.
inline std::string render(const BodyStructure& b, int extended = 0) {
  std::string out = "(";
  if (b.kind == BodyKind::multipart) {
    for (const BodyStructure& child : b.children) out += render(child, extended);
    out += " \"" + b.subtype + "\"";
    if (extended != 0) out += " " + render(b.parameters) + render_extension(b);
    return out + ")";
  }
  out += "\"" + b.type + "\" \"" + b.subtype + "\" " + render(b.parameters) + " " + render(b.id) +
         " " + render(b.description) + " \"" + b.encoding + "\" " + std::to_string(b.size_octets);
  if (b.kind == BodyKind::message) {
    out += " " + render(*b.envelope) + " " + render(b.children.front(), extended);
  }
  if (b.kind != BodyKind::basic) out += " " + std::to_string(b.lines);
  if (extended != 0) out += " " + render(b.md5) + render_extension(b);
  return out + ")";
}

// Text with LF as mail with CRLF.
inline std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

}  // namespace ph::mime
