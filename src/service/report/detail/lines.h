// Texts from outside as parts of a report: nothing in them can start a line or a field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ph::report {

inline constexpr size_t kLineMax = 998;  // RFC 5322 section 2.1.1

// In a field: ASCII, one line.
std::string one_line(std::string_view text);
// Of our own words: lines of at most 78 columns, each behind `indent`.
std::string wrapped(std::string_view indent, std::string_view words);
// "21 Nov 2026 02:50:16 UTC"
std::string date_for_people(Time when);

// "rfc822" or, for an address that is not ASCII, "utf-8" (RFC 6533 section 3).
std::string address_type(const std::string& address);
// An address in a field of message/delivery-status.
std::string typed_address(const std::string& type, const std::string& address);

bool is_all_ascii(std::string_view text);
// Whether it can go out as it is: lines that end with CRLF, none too long, no NUL.
bool is_sendable(std::string_view message);
// The header at the front of `message`, made sendable: what is too long is cut.
std::string sendable_header(std::string_view message);

}  // namespace ph::report
