// The keywords of one mailbox: names with small numbers that stay for good.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "state/store/detail/records.h"
#include "state/store/flags.h"

namespace ph::store {

// An IMAP atom of printable ASCII, at most kKeywordBytesMax, without a backslash in front.
bool is_keyword(std::string_view name);

class KeywordTable {
 public:
  std::optional<uint32_t> find(std::string_view name) const;
  // The number of `name`, given now if it has none; false when the mailbox has kKeywordsMax.
  std::optional<uint32_t> add(std::string_view name);
  // While loading: numbers may come with holes (damaged records), which get a name of their own.
  void place(uint32_t index, std::string name);

  uint32_t size() const { return static_cast<uint32_t>(names_.size()); }
  const std::string& name(uint32_t index) const { return names_[index]; }
  std::vector<std::string> names(const KeywordBits& bits) const;

 private:
  std::vector<std::string> names_;
  std::map<std::string, uint32_t, std::less<>> by_folded_;
};

}  // namespace ph::store
