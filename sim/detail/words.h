// The words of one line of a scenario, taken one after the other. A comma is a word of its own; a
// text in double quotes is one word. Whoever meets a word it did not expect answers kBadLine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace ph::sim {

inline constexpr ErrorKind kBadLine{"scenario", "bad_line", Disposition::permanent};

class Words {
 public:
  // Up to a '#' outside of quotes.
  explicit Words(std::string_view line);

  bool at_end() const { return place_ == words_.size(); }
  std::string_view peek() const;           // "" at the end
  bool accept(std::string_view expected);  // several words with blanks between: all or none
  Status expect(std::string_view expected);
  Result<std::string> word(std::string_view what);  // `what` it is, for the error
  Result<uint64_t> number(std::string_view what);
  Result<Duration> duration();                                   // "2 h 5 min", as far as it goes
  Result<std::vector<std::string>> list(std::string_view what);  // words with commas between
  Status end() const;                                            // kBadLine if there is more
  std::string rest();                                            // as written but for blanks

 private:
  Error bad(std::string_view wanted) const;
  std::vector<std::string> words_;
  size_t place_ = 0;
};

}  // namespace ph::sim
