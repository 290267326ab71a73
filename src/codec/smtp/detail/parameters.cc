#include "codec/smtp/detail/parameters.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "base/text.h"
#include "codec/smtp/detail/extensions.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/priority.h"
#include "codec/smtp/xtext.h"

namespace ph::smtp::detail {
namespace {

constexpr size_t kEnvelopeIdMax = 100;         // RFC 3461 §4.4
constexpr size_t kOriginalRecipientMax = 500;  // RFC 3461 §4.2

struct Parameter {
  std::string_view key;
  std::optional<std::string_view> value;
};

bool is_key(std::string_view key) {
  const auto fits = [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; };
  return !key.empty() && key.front() != '-' && std::ranges::all_of(key, fits);
}

// The next parameter, taken off `text`; nullopt with text not empty means a syntax error.
std::optional<Parameter> take_parameter(std::string_view& text) {
  if (!text.starts_with(' ')) return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  const size_t equals = word.find('=');
  Parameter out{.key = word.substr(0, equals), .value = std::nullopt};
  if (equals != std::string_view::npos) out.value = word.substr(equals + 1);
  if (!is_key(out.key) || (out.value && out.value->empty())) return std::nullopt;
  text.remove_prefix(word.size());
  return out;
}

bool is_printable(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}
bool is_printable_utf8(std::string_view text) {
  const auto control = [](char c) { return (is_ascii(c) && c < ' ') || c == '\x7f'; };
  return !text.empty() && is_valid_utf8(text) && std::ranges::none_of(text, control);
}

void append_utf8(std::string& out, uint32_t point) {
  const auto push = [&out](uint32_t octet) { out += static_cast<char>(octet); };
  if (point < 0x80) {
    push(point);
  } else if (point < 0x800) {
    push(0xC0 | (point >> 6));
    push(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    push(0xE0 | (point >> 12));
    push(0x80 | ((point >> 6) & 0x3F));
    push(0x80 | (point & 0x3F));
  } else {
    push(0xF0 | (point >> 18));
    push(0x80 | ((point >> 12) & 0x3F));
    push(0x80 | ((point >> 6) & 0x3F));
    push(0x80 | (point & 0x3F));
  }
}

// "\x{5B57}" at the start of `text` (RFC 6533 §3 EmbeddedUnicodeChar), taken off it.
std::optional<uint32_t> take_embedded(std::string_view& text) {
  if (!text.starts_with("\\x{")) return std::nullopt;
  const size_t close = text.find('}');
  if (close == std::string_view::npos || close < 5 || close > 9) return std::nullopt;
  std::string digits(text.substr(3, close - 3));
  if (digits.size() % 2 != 0) digits.insert(0, 1, '0');
  const auto octets = hex_decode(digits);
  if (!octets) return std::nullopt;
  uint32_t point = 0;
  for (const char c : *octets) point = point << 8 | static_cast<unsigned char>(c);
  text.remove_prefix(close + 1);
  if (point > 0x10FFFF || point < 0x10) return std::nullopt;
  return point;
}

// utf-8-addr-xtext and utf-8-addr-unitext of RFC 6533 §3.
std::optional<std::string> decode_utf8_address(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() == '\\') {
      const auto point = take_embedded(text);
      if (!point) return std::nullopt;
      append_utf8(out, *point);
      continue;
    }
    if (text.front() == '+' || text.front() == '=') return std::nullopt;
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

// One code point of valid UTF-8, taken off `text`.
uint32_t take_point(std::string_view& text) {
  const auto octet = [&text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const uint32_t lead = octet(0);
  const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  constexpr std::array<uint32_t, 5> kMask{0, 0x7F, 0x1F, 0x0F, 0x07};
  uint32_t point = lead & kMask.at(length);
  for (size_t i = 1; i < length && i < text.size(); ++i) point = point << 6 | (octet(i) & 0x3FU);
  text.remove_prefix(std::min(length, text.size()));
  return point;
}

std::string encode_utf8_address(std::string_view address) {
  std::string out;
  while (!address.empty()) {
    const uint32_t point = take_point(address);
    if (point > ' ' && point < 0x7F && point != '+' && point != '=' && point != '\\') {
      out += static_cast<char>(point);
      continue;
    }
    std::string hex;
    for (uint32_t rest = point; rest > 0; rest >>= 4)
      hex.insert(0, 1, "0123456789ABCDEF"[rest & 15]);
    out += "\\x{" + hex + "}";
  }
  return out;
}

bool set_body(std::string_view value, BodyType& out) {
  if (iequals(value, "7BIT")) out = BodyType::seven_bit;
  if (iequals(value, "8BITMIME")) out = BodyType::eight_bit;
  return out != BodyType::unspecified;
}

bool set_return(std::string_view value, DsnReturn& out) {
  if (iequals(value, "FULL")) out = DsnReturn::full;
  if (iequals(value, "HDRS")) out = DsnReturn::headers;
  return out != DsnReturn::unspecified;
}

bool set_envelope_id(std::string_view value, std::string& out) {
  const auto decoded = xtext_decode(value);
  if (!decoded || value.size() > kEnvelopeIdMax || !is_printable(*decoded)) return false;
  out = *decoded;
  return true;
}

bool set_submitter(std::string_view value, std::optional<std::string>& out) {
  const auto decoded = xtext_decode(value);
  if (!decoded || !is_printable_utf8(*decoded)) return false;
  out = *decoded == "<>" ? "" : *decoded;
  return true;
}

bool set_notify(std::string_view value, DsnNotify& out) {
  if (iequals(value, "NEVER")) {
    out.never = true;
    return true;
  }
  for (const std::string_view word : split(value, ',')) {
    bool* flag = iequals(word, "SUCCESS")   ? &out.success
                 : iequals(word, "FAILURE") ? &out.failure
                 : iequals(word, "DELAY")   ? &out.delay
                                            : nullptr;
    if (flag == nullptr || *flag) return false;
    *flag = true;
  }
  return true;
}

bool set_original(std::string_view value, std::optional<OriginalRecipient>& out) {
  const size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos || value.size() > kOriginalRecipientMax) return false;
  OriginalRecipient original{.type = to_lower(value.substr(0, semicolon)), .address = {}};
  const std::string_view text = value.substr(semicolon + 1);
  const bool utf8 = original.type == "utf-8";
  const auto decoded = utf8 ? decode_utf8_address(text) : xtext_decode(text);
  if (!is_key(original.type) || !decoded) return false;
  if (utf8 ? !is_printable_utf8(*decoded) : !is_printable(*decoded)) return false;
  original.address = *decoded;
  out = std::move(original);
  return true;
}

// The first value of a parameter that may come once.
template <class Value>
bool set_once(std::optional<Value>& out, std::optional<Value> value) {
  if (out || !value) return false;
  out = value;
  return true;
}

using replies::kBadParameter;
using replies::kUnknownParameter;

const FixedReply* set_mail(const Parameter& p, MailParameters& out) {
  const std::string_view value = p.value.value_or("");
  bool good = false;
  if (iequals(p.key, "SMTPUTF8")) {
    good = !p.value && !out.smtp_utf8;
    out.smtp_utf8 = true;
  } else if (iequals(p.key, "SIZE")) {
    good = !out.size && value.size() <= 20;
    out.size = parse_u64(value);
    good = good && out.size.has_value();
  } else if (iequals(p.key, "BODY")) {
    good = out.body == BodyType::unspecified && set_body(value, out.body);
  } else if (iequals(p.key, "RET")) {
    good = out.dsn_return == DsnReturn::unspecified && set_return(value, out.dsn_return);
  } else if (iequals(p.key, "ENVID")) {
    good = out.envelope_id.empty() && set_envelope_id(value, out.envelope_id);
  } else if (iequals(p.key, "AUTH")) {
    good = !out.submitter && set_submitter(value, out.submitter);
  } else if (iequals(p.key, "MT-PRIORITY")) {
    good = set_once(out.priority, parse_priority(value));
  } else if (iequals(p.key, "BY")) {
    good = set_once(out.deliver_by, parse_deliver_by(value));
  } else if (iequals(p.key, "HOLDFOR")) {
    good = !out.hold_until && set_once(out.hold_for, parse_hold_for(value));
  } else if (iequals(p.key, "HOLDUNTIL")) {
    good = !out.hold_for && set_once(out.hold_until, parse_date_time(value));
  } else {
    return &kUnknownParameter;
  }
  return good ? nullptr : &kBadParameter;
}

const FixedReply* set_rcpt(const Parameter& p, RcptParameters& out) {
  const std::string_view value = p.value.value_or("");
  bool good = false;
  if (iequals(p.key, "NOTIFY")) {
    good = !out.notify.is_given() && set_notify(value, out.notify);
  } else if (iequals(p.key, "ORCPT")) {
    good = !out.original && set_original(value, out.original);
  } else {
    return &kUnknownParameter;
  }
  return good ? nullptr : &kBadParameter;
}

template <class Out>
const FixedReply* parse_all(std::string_view text, Out& out,
                            const FixedReply* (*set)(const Parameter&, Out&)) {
  while (!text.empty()) {
    const auto parameter = take_parameter(text);
    if (!parameter) return &replies::kBadArguments;
    if (const FixedReply* fault = set(*parameter, out)) return fault;
  }
  return nullptr;
}

}  // namespace

const FixedReply* parse_mail_parameters(std::string_view text, MailParameters& out) {
  return parse_all(text, out, set_mail);
}

const FixedReply* parse_rcpt_parameters(std::string_view text, RcptParameters& out) {
  return parse_all(text, out, set_rcpt);
}

std::string dsn_text(const MailParameters& parameters) {
  std::string out;
  if (parameters.dsn_return == DsnReturn::full) out += " RET=FULL";
  if (parameters.dsn_return == DsnReturn::headers) out += " RET=HDRS";
  if (!parameters.envelope_id.empty()) out += " ENVID=" + xtext_encode(parameters.envelope_id);
  return out;
}

std::string dsn_text(const RcptParameters& parameters) {
  std::string out;
  const DsnNotify& notify = parameters.notify;
  if (notify.never) out += " NOTIFY=NEVER";
  char separator = '=';
  const auto add = [&](bool given, std::string_view word) {
    if (!given || notify.never) return;
    out += separator == '=' ? " NOTIFY" : "";
    out += separator;
    out += word;
    separator = ',';
  };
  add(notify.success, "SUCCESS");
  add(notify.failure, "FAILURE");
  add(notify.delay, "DELAY");
  if (parameters.original) {
    const auto& [type, address] = *parameters.original;
    const bool utf8 = type == "utf-8";
    out += " ORCPT=" + type + ";" + (utf8 ? encode_utf8_address(address) : xtext_encode(address));
  }
  return out;
}

}  // namespace ph::smtp::detail
