#include "codec/text/casemap.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "codec/text/detail/fold_table.h"
#include "codec/text/detail/utf8.h"

namespace ph::text {

char32_t fold_case(char32_t character) {
  if (character < 0x80)
    return static_cast<unsigned char>(ascii_lower(static_cast<char>(character)));
  const auto* run = std::ranges::lower_bound(kFoldRuns, character, {}, &FoldRun::last);
  if (run == std::end(kFoldRuns) || character < run->first) return character;
  if ((character - run->first) % run->stride != 0) return character;
  return static_cast<char32_t>(static_cast<int32_t>(character) + run->delta);
}

std::string fold_case(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  for (size_t at = 0; at < utf8.size();) {
    if (is_ascii(utf8[at])) {
      out += ascii_lower(utf8[at++]);
      continue;
    }
    const Utf8Step step = read_utf8(utf8.substr(at));
    if (step.valid) {
      append_utf8(fold_case(step.character), out);
    } else {
      out += utf8[at];
    }
    at += step.length;
  }
  return out;
}

Needle::Needle(std::string_view utf8) : folded_(fold_case(utf8)), border_(folded_.size(), 0) {
  for (size_t i = 1, k = 0; i < folded_.size(); ++i) {
    while (k > 0 && folded_[i] != folded_[k]) k = border_[k - 1];
    if (folded_[i] == folded_[k]) ++k;
    border_[i] = k;
  }
}

bool Needle::is_in(std::string_view utf8) const {
  NeedleSearch search(*this);
  return search.feed(utf8);
}

bool NeedleSearch::feed(std::string_view utf8) {
  if (found()) return true;
  const std::string& wanted = needle_->folded_;
  for (const char c : fold_case(utf8)) {
    while (at_ > 0 && c != wanted[at_]) at_ = needle_->border_[at_ - 1];
    if (c == wanted[at_]) ++at_;
    if (at_ < wanted.size()) continue;
    found_ = true;
    return true;
  }
  return false;
}

}  // namespace ph::text
