#include "codec/imap/mailbox_name.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "codec/text/mailbox_name.h"

namespace ph::imap {

namespace {

constexpr std::string_view kInbox = "INBOX";

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// One step of the pattern's automaton: which places of the pattern are reached after `c`.
// A place p means that pattern[0, p) is matched.
class PatternWalk {
 public:
  explicit PatternWalk(const ListPattern& pattern)
      : pattern_(pattern), here_(pattern.pattern.size() + 1), next_(here_.size()) {
    here_[0] = 1;
    skip_wildcards(here_);
  }

  void step(char c, bool any_case) {
    std::fill(next_.begin(), next_.end(), uint8_t{0});
    for (size_t p = 0; p < pattern_.pattern.size(); ++p) {
      if (here_[p] == 0) continue;
      const char want = pattern_.pattern[p];
      if (want == '*' || (want == '%' && c != pattern_.delimiter)) {
        next_[p] = 1;
      } else if (want == c || (any_case && ascii_upper(want) == ascii_upper(c))) {
        next_[p + 1] = 1;
      }
    }
    skip_wildcards(next_);
    here_.swap(next_);
  }
  bool matched() const { return here_.back() != 0; }

 private:
  // A wildcard may stand for nothing.
  void skip_wildcards(std::vector<uint8_t>& places) const {
    for (size_t p = 0; p < pattern_.pattern.size(); ++p) {
      const char c = pattern_.pattern[p];
      if (places[p] != 0 && (c == '*' || c == '%')) places[p + 1] = 1;
    }
  }

  const ListPattern& pattern_;
  std::vector<uint8_t> here_;
  std::vector<uint8_t> next_;
};

}  // namespace

std::optional<std::string> pattern_from_wire(std::string_view wire, NameForm form) {
  const bool ascii = std::all_of(wire.begin(), wire.end(), is_ascii);
  std::optional<std::string> name;
  if (form == NameForm::modified_utf7 && ascii) {
    name = text::from_modified_utf7(wire);
  } else if (is_valid_utf8(wire)) {
    name = std::string(wire);
  }
  if (!name || has_control(*name)) return std::nullopt;
  return name;
}

std::optional<std::string> mailbox_from_wire(std::string_view wire, NameForm form) {
  if (iequals(wire, kInbox)) return std::string(kInbox);
  return pattern_from_wire(wire, form);
}

std::string mailbox_to_wire(std::string_view name, NameForm form) {
  return form == NameForm::utf8 ? std::string(name) : text::to_modified_utf7(name);
}

bool matches(std::string_view name, const ListPattern& pattern) {
  const bool inbox = istarts_with(name, kInbox) &&
                     (name.size() == kInbox.size() || name[kInbox.size()] == pattern.delimiter);
  PatternWalk walk(pattern);
  for (size_t i = 0; i < name.size(); ++i) {
    walk.step(name[i], inbox && i < kInbox.size());
  }
  return walk.matched();
}

}  // namespace ph::imap
