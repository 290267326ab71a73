#include "codec/smtp/detail/capabilities.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace ph::smtp::detail {
namespace {

constexpr size_t kMechanismsMax = 32;

void add_mechanisms(std::string_view words, Capabilities& out) {
  for (const std::string_view word : split(words, ' ')) {
    if (word.empty() || out.auth_mechanisms.size() >= kMechanismsMax) continue;
    std::string mechanism = to_upper(word);
    if (std::ranges::find(out.auth_mechanisms, mechanism) == out.auth_mechanisms.end()) {
      out.auth_mechanisms.push_back(std::move(mechanism));
    }
  }
}

void add_line(std::string_view line, Capabilities& out) {
  struct Flag {
    std::string_view keyword;
    bool Capabilities::* flag;
  };
  static constexpr std::array kFlags{
      Flag{"PIPELINING", &Capabilities::pipelining},
      Flag{"8BITMIME", &Capabilities::eight_bit_mime},
      Flag{"SMTPUTF8", &Capabilities::smtp_utf8},
      Flag{"CHUNKING", &Capabilities::chunking},
      Flag{"DSN", &Capabilities::dsn},
      Flag{"STARTTLS", &Capabilities::starttls},
      Flag{"ENHANCEDSTATUSCODES", &Capabilities::enhanced_status_codes},
      Flag{"SIZE", &Capabilities::size},
      Flag{"MT-PRIORITY", &Capabilities::mt_priority},
      Flag{"DELIVERBY", &Capabilities::deliver_by},
  };
  // "AUTH=PLAIN LOGIN" is what some old servers say besides the standard form.
  const size_t end = line.find_first_of(" =");
  const std::string_view keyword = line.substr(0, end);
  const std::string_view rest = end == std::string_view::npos ? "" : line.substr(end + 1);
  for (const auto& [name, flag] : kFlags) {
    if (iequals(keyword, name)) out.*flag = true;
  }
  if (iequals(keyword, "SIZE")) out.size_max = parse_u64(rest).value_or(0);
  if (iequals(keyword, "DELIVERBY")) {  // a list, of which only the first item has a meaning
    const std::string_view least = trim(rest.substr(0, rest.find(',')));
    out.deliver_by_min_s = least.size() <= 9 ? parse_u64(least).value_or(0) : 0;
  }
  if (iequals(keyword, "AUTH")) add_mechanisms(rest, out);
}

}  // namespace

Capabilities parse_capabilities(std::string_view text) {
  Capabilities out;
  out.extended = true;
  const auto lines = split(text, '\n');
  for (size_t i = 1; i < lines.size(); ++i) add_line(trim(lines[i]), out);
  return out;
}

}  // namespace ph::smtp::detail
