// Parameters of Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2231).
//
// Reading is tolerant, linear and never fails. A Parameter is as written (name in lower case, value
// without quotes, "*0*" suffixes kept): that is what IMAP shows. parameter() puts the continuations
// and character sets of RFC 2231 together, and decodes the encoded words that real mail puts there.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ph::text {

struct Parameter {
  std::string name;
  std::string value;
  bool operator==(const Parameter&) const = default;
};

using Parameters = std::vector<Parameter>;

constexpr size_t kParametersMax = 1000;

// From what follows the first ';' of the value (a leading ';' is allowed); the rest beyond `limit`
// parameters is ignored.
Parameters parse_parameters(std::string_view text, size_t limit = kParametersMax);

// As UTF-8; nullopt if there is none. RFC 2231 forms win over the plain one (RFC 6266 4.3 habit).
std::optional<std::string> parameter(const Parameters& all, std::string_view name);
// As written, the plain form only; nullptr if there is none.
const std::string* plain_parameter(const Parameters& all, std::string_view name);

}  // namespace ph::text
