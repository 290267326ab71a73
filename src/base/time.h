// Points and spans of time, in whole microseconds.
//
// Time is wall-clock time (UTC) and the only kind that is stored. Instant is monotonic and lives
// only in memory: deadlines and timers are Instants, so a step of the wall clock never shortens or
// lengthens a wait. Nothing here reads a clock: the only now() is rt::Clock's.
// Arithmetic saturates instead of overflowing, so that "now + a huge setting" stays in the future.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>

namespace ph {

class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration microseconds(int64_t n) { return Duration(n); }
  static constexpr Duration milliseconds(int64_t n) { return Duration(mul(n, 1'000)); }
  static constexpr Duration seconds(int64_t n) { return Duration(mul(n, 1'000'000)); }
  static constexpr Duration minutes(int64_t n) { return Duration(mul(n, 60'000'000)); }
  static constexpr Duration hours(int64_t n) { return Duration(mul(n, 3'600'000'000)); }
  static constexpr Duration days(int64_t n) { return Duration(mul(n, 86'400'000'000)); }
  static constexpr Duration max() { return Duration(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t us() const { return us_; }
  constexpr int64_t ms() const { return us_ / 1'000; }
  constexpr int64_t s() const { return us_ / 1'000'000; }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration o) const { return Duration(add(us_, o.us_)); }
  constexpr Duration operator-(Duration o) const { return Duration(add(us_, neg(o.us_))); }
  constexpr Duration operator*(int64_t n) const { return Duration(mul(us_, n)); }
  constexpr Duration operator/(int64_t n) const { return Duration(us_ / n); }

  static constexpr int64_t add(int64_t a, int64_t b) {
    int64_t out = 0;
    if (!__builtin_add_overflow(a, b, &out)) return out;
    return a < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
  static constexpr int64_t mul(int64_t a, int64_t b) {
    int64_t out = 0;
    if (!__builtin_mul_overflow(a, b, &out)) return out;
    return (a < 0) != (b < 0) ? std::numeric_limits<int64_t>::min()
                              : std::numeric_limits<int64_t>::max();
  }
  static constexpr int64_t neg(int64_t a) {
    return a == std::numeric_limits<int64_t>::min() ? std::numeric_limits<int64_t>::max() : -a;
  }

 private:
  constexpr explicit Duration(int64_t us) : us_(us) {}
  int64_t us_ = 0;
};

// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
class Time {
 public:
  constexpr Time() = default;
  static constexpr Time from_unix_us(int64_t us) { return Time(us); }
  static constexpr Time from_unix_s(int64_t s) { return Time(Duration::mul(s, 1'000'000)); }
  static constexpr Time max() { return Time(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t unix_us() const { return us_; }
  constexpr int64_t unix_s() const {  // rounds towards the past, also before 1970
    return us_ >= 0 ? us_ / 1'000'000 : (us_ - 999'999) / 1'000'000;
  }
  constexpr auto operator<=>(const Time&) const = default;
  constexpr Time operator+(Duration d) const { return Time(Duration::add(us_, d.us())); }
  constexpr Time operator-(Duration d) const {
    return Time(Duration::add(us_, Duration::neg(d.us())));
  }
  constexpr Duration operator-(Time o) const {
    return Duration::microseconds(Duration::add(us_, Duration::neg(o.us_)));
  }

 private:
  constexpr explicit Time(int64_t us) : us_(us) {}
  int64_t us_ = 0;
};

// Microseconds since an arbitrary start (the process's, or the simulation's).
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_us(int64_t us) { return Instant(us); }
  static constexpr Instant max() { return Instant(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t us() const { return us_; }
  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration d) const { return Instant(Duration::add(us_, d.us())); }
  constexpr Instant operator-(Duration d) const {
    return Instant(Duration::add(us_, Duration::neg(d.us())));
  }
  constexpr Duration operator-(Instant o) const {
    return Duration::microseconds(Duration::add(us_, Duration::neg(o.us_)));
  }

 private:
  constexpr explicit Instant(int64_t us) : us_(us) {}
  int64_t us_ = 0;
};

// A broken-down UTC time (proleptic Gregorian). month and day count from 1; weekday 0 is Sunday.
struct CivilTime {
  int year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int weekday = 4;
};

CivilTime civil_from_time(Time t);
// Fields outside their range are carried over (minute 75 is an hour and 15 minutes).
Time time_from_civil(const CivilTime& c);

// "2026-11-21T02:50:16Z"
std::string to_iso8601(Time t);
// RFC 5322 section 3.3 date-time in UTC: "Sat, 21 Nov 2026 02:50:16 +0000"
std::string to_rfc5322_date(Time t);
// For people: "3 d 4 h", "59 s", "250 ms".
std::string to_text(Duration d);

}  // namespace ph
