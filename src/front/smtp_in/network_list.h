// Networks in CIDR form: "192.0.2.0/24, 2001:db8::/32, 127.0.0.1".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ph::smtp_in {

class NetworkList {
 public:
  NetworkList() = default;
  // Items that are no networks are left out; problem_with() finds them beforehand.
  explicit NetworkList(std::string_view text);
  // "" or a sentence: for the setting's check.
  static std::string problem_with(std::string_view text);
  bool contains(std::string_view ip) const;
  bool empty() const { return networks_.empty(); }

 private:
  struct Network {
    std::array<uint8_t, 16> address{};  // IPv4 as ::ffff:a.b.c.d
    unsigned bits = 0;
  };
  static bool parse(std::string_view text, Network& out);
  std::vector<Network> networks_;
};

}  // namespace ph::smtp_in
