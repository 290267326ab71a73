#include "state/store/detail/keyword_table.h"

#include <algorithm>

#include "base/text.h"

namespace ph::store {

bool Flags::has_keyword(std::string_view name) const {
  return std::ranges::any_of(keywords, [name](const std::string& k) { return iequals(k, name); });
}

bool is_keyword(std::string_view name) {
  if (name.empty() || name.size() > kKeywordBytesMax) return false;
  constexpr std::string_view kNotInAtoms = "(){ %*\"\\]";
  return std::ranges::all_of(name, [&](char c) {
    return c > ' ' && c < 0x7F && kNotInAtoms.find(c) == std::string_view::npos;
  });
}

std::optional<uint32_t> KeywordTable::find(std::string_view name) const {
  const auto at = by_folded_.find(to_lower(name));
  if (at == by_folded_.end()) return std::nullopt;
  return at->second;
}

std::optional<uint32_t> KeywordTable::add(std::string_view name) {
  if (const auto known = find(name)) return known;
  if (names_.size() >= kKeywordsMax) return std::nullopt;
  const uint32_t index = size();
  place(index, std::string(name));
  return index;
}

void KeywordTable::place(uint32_t index, std::string name) {
  if (index >= kKeywordsMax) return;
  while (names_.size() <= index) names_.push_back("$Damaged-" + std::to_string(names_.size()));
  by_folded_[to_lower(name)] = index;
  names_[index] = std::move(name);
}

std::vector<std::string> KeywordTable::names(const KeywordBits& bits) const {
  std::vector<std::string> out;
  for (uint32_t i = 0; i < size(); ++i) {
    if (bits.has(i)) out.push_back(names_[i]);
  }
  return out;
}

}  // namespace ph::store
