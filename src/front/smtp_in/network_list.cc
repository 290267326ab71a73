#include "front/smtp_in/network_list.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/text.h"

namespace ph::smtp_in {
namespace {

constexpr unsigned kMappedBits = 96;

bool parse_address(std::string_view text, std::array<uint8_t, 16>& out, bool& is_ipv4) {
  const std::string copy(text);
  is_ipv4 = inet_pton(AF_INET, copy.c_str(), out.data() + 12) == 1;
  if (!is_ipv4) return inet_pton(AF_INET6, copy.c_str(), out.data()) == 1;
  std::fill(out.begin(), out.begin() + 10, uint8_t{0});
  out[10] = 0xFF;
  out[11] = 0xFF;
  return true;
}

}  // namespace

bool NetworkList::parse(std::string_view text, Network& out) {
  const size_t slash = text.find('/');
  bool is_ipv4 = false;
  if (!parse_address(text.substr(0, slash), out.address, is_ipv4)) return false;
  const unsigned most = is_ipv4 ? 32 : 128;
  uint64_t bits = most;
  if (slash != std::string_view::npos) {
    const auto number = parse_u64(text.substr(slash + 1));
    if (!number || *number > most) return false;
    bits = *number;
  }
  out.bits = static_cast<unsigned>(bits) + (is_ipv4 ? kMappedBits : 0);
  return true;
}

NetworkList::NetworkList(std::string_view text) {
  for (const std::string_view item : split(text, ',')) {
    Network network;
    if (parse(trim(item), network)) networks_.push_back(network);
  }
}

std::string NetworkList::problem_with(std::string_view text) {
  for (const std::string_view item : split(text, ',')) {
    Network network;
    if (!trim(item).empty() && !parse(trim(item), network)) {
      return "'" + printable(trim(item), 64) + "' is no network like 192.0.2.0/24";
    }
  }
  return {};
}

bool NetworkList::contains(std::string_view ip) const {
  std::array<uint8_t, 16> address{};
  bool is_ipv4 = false;
  if (networks_.empty() || !parse_address(ip, address, is_ipv4)) return false;
  return std::ranges::any_of(networks_, [&](const Network& network) {
    const size_t whole = network.bits / 8;
    if (!std::equal(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(whole),
                    network.address.begin())) {
      return false;
    }
    const unsigned rest = network.bits % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<uint8_t>(0xFFU << (8 - rest));
    return (address[whole] & mask) == (network.address[whole] & mask);
  });
}

}  // namespace ph::smtp_in
