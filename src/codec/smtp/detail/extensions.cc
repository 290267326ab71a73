#include "codec/smtp/detail/extensions.h"

#include <algorithm>

#include "base/text.h"

namespace ph::smtp::detail {
namespace {

constexpr size_t kDigitsMax = 9;

// So many digits taken off `text`, as a number that is not above `max`.
std::optional<int> take_number(std::string_view& text, size_t digits, int max) {
  if (text.size() < digits) return std::nullopt;
  const auto number = parse_u64(text.substr(0, digits));
  if (!number || *number > static_cast<uint64_t>(max)) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<int>(*number);
}

bool take(std::string_view& text, char c) {
  if (text.empty() || ascii_lower(text.front()) != c) return false;
  text.remove_prefix(1);
  return true;
}

// The separator, then two digits.
std::optional<int> take_after(std::string_view& text, char separator, int max) {
  if (!take(text, separator)) return std::nullopt;
  return take_number(text, 2, max);
}

int days_of(int year, int month) {
  if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// "Z" or "+01:00", as minutes east.
std::optional<int> parse_offset(std::string_view text) {
  if (iequals(text, "Z")) return 0;
  const bool west = text.starts_with('-');
  if (!west && !text.starts_with('+')) return std::nullopt;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2, 23);
  const auto minutes = hours ? take_after(text, ':', 59) : std::nullopt;
  if (!minutes || !text.empty()) return std::nullopt;
  const int east = *hours * 60 + *minutes;
  return west ? -east : east;
}

bool take_fraction(std::string_view& text) {
  if (!take(text, '.')) return true;
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  text.remove_prefix(digits);
  return digits > 0;
}

}  // namespace

std::optional<DeliverBy> parse_deliver_by(std::string_view text) {
  const size_t semicolon = text.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  std::string_view time = text.substr(0, semicolon);
  std::string_view mode = text.substr(semicolon + 1);
  const bool negative = time.starts_with('-');
  if (negative || time.starts_with('+')) time.remove_prefix(1);
  const auto seconds = time.size() <= kDigitsMax ? parse_u64(time) : std::nullopt;
  if (!seconds) return std::nullopt;
  DeliverBy by;
  by.seconds = negative ? -static_cast<int64_t>(*seconds) : static_cast<int64_t>(*seconds);
  if (take(mode, 'r')) {
    by.mode = DeliverBy::Mode::return_it;
  } else if (!take(mode, 'n')) {
    return std::nullopt;
  }
  by.trace = take(mode, 't');
  // RFC 2852 §4: what is to go back when its time is over must have some left.
  const bool hopeless = by.mode == DeliverBy::Mode::return_it && by.seconds <= 0;
  if (!mode.empty() || hopeless) return std::nullopt;
  return by;
}

std::optional<uint32_t> parse_hold_for(std::string_view text) {
  // RFC 4865 §3: one to nine digits, the first of them not 0.
  if (text.size() > kDigitsMax || text.starts_with('0')) return std::nullopt;
  const auto seconds = parse_u64(text);
  if (!seconds) return std::nullopt;
  return static_cast<uint32_t>(*seconds);
}

std::optional<Time> parse_date_time(std::string_view text) {
  CivilTime c;
  const auto set = [](int& field, std::optional<int> value, int least) {
    field = value.value_or(0);
    return value.has_value() && *value >= least;
  };
  if (!set(c.year, take_number(text, 4, 9999), 1)) return std::nullopt;
  if (!set(c.month, take_after(text, '-', 12), 1)) return std::nullopt;
  if (!set(c.day, take_after(text, '-', days_of(c.year, c.month)), 1)) return std::nullopt;
  if (!set(c.hour, take_after(text, 't', 23), 0)) return std::nullopt;
  if (!set(c.minute, take_after(text, ':', 59), 0)) return std::nullopt;
  if (!set(c.second, take_after(text, ':', 60), 0)) return std::nullopt;  // 60: a leap second
  if (!take_fraction(text)) return std::nullopt;
  const auto east = parse_offset(text);
  if (!east) return std::nullopt;
  return time_from_civil(c) - Duration::minutes(*east);
}

std::string deliver_by_text(const DeliverBy& by) {
  const bool returns = by.mode == DeliverBy::Mode::return_it;
  const int64_t least = returns ? 1 : -kDeliverByMax;
  std::string out = " BY=" + std::to_string(std::clamp(by.seconds, least, kDeliverByMax));
  out += returns ? ";R" : ";N";
  if (by.trace) out += 'T';
  return out;
}

}  // namespace ph::smtp::detail
