#include "sim/detail/words.h"

#include <algorithm>

#include "base/text.h"
#include "config/setting.h"

namespace ph::sim {

Words::Words(std::string_view line) {
  while (true) {
    line = trim(line);
    if (line.empty() || line.front() == '#') return;
    if (line.front() == ',') {
      words_.emplace_back(",");
      line.remove_prefix(1);
    } else if (line.front() == '"') {
      const size_t close = std::min(line.find('"', 1), line.size());
      words_.emplace_back(line.substr(1, close - 1));
      line.remove_prefix(std::min(close + 1, line.size()));
    } else {
      const size_t length = std::min(line.find_first_of(" \t,"), line.size());
      words_.emplace_back(line.substr(0, length));
      line.remove_prefix(length);
    }
  }
}

std::string_view Words::peek() const { return at_end() ? std::string_view() : words_[place_]; }

bool Words::accept(std::string_view expected) {
  size_t place = place_;
  for (const std::string_view word : split(expected, ' ')) {
    if (place == words_.size() || words_[place] != word) return false;
    ++place;
  }
  place_ = place;
  return true;
}

Error Words::bad(std::string_view wanted) const {
  const std::string got = at_end() ? "the line ends" : "it says '" + std::string(peek()) + "'";
  return fail(kBadLine, std::string(wanted) + " should stand where " + got);
}

Status Words::expect(std::string_view expected) {
  if (accept(expected)) return {};
  return bad("'" + std::string(expected) + "'");
}

Result<std::string> Words::word(std::string_view what) {
  if (at_end() || peek() == ",") return bad(what);
  return words_[place_++];
}

Result<uint64_t> Words::number(std::string_view what) {
  const auto number = parse_u64(peek());
  if (!number) return bad(what);
  ++place_;
  return *number;
}

Result<Duration> Words::duration() {
  std::string text;
  while (place_ + 1 < words_.size() && parse_u64(words_[place_]) &&
         config::parse_duration(words_[place_] + words_[place_ + 1]).has_value()) {
    text += words_[place_] + words_[place_ + 1] + " ";
    place_ += 2;
  }
  if (text.empty()) return bad("a time like '5 min'");
  return config::parse_duration(text);
}

Result<std::vector<std::string>> Words::list(std::string_view what) {
  std::vector<std::string> out;
  do {
    PH_TRY(std::string item, word(what));
    out.push_back(std::move(item));
  } while (accept(","));
  return out;
}

Status Words::end() const {
  if (at_end()) return {};
  return fail(kBadLine, "'" + std::string(peek()) + "' is too much");
}

std::string Words::rest() {
  std::string out;
  for (; !at_end(); ++place_) {
    if (!out.empty() && peek() != ",") out += ' ';
    out += peek();
  }
  return out;
}

}  // namespace ph::sim
