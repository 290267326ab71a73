#include "codec/imap/flag_set.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace ph::imap {

namespace {

constexpr std::array<SystemFlag, 5> kSettable = {SystemFlag::answered, SystemFlag::flagged,
                                                 SystemFlag::deleted, SystemFlag::seen,
                                                 SystemFlag::draft};

}  // namespace

std::string_view to_text(SystemFlag flag) {
  switch (flag) {
    case SystemFlag::answered: return "\\Answered";
    case SystemFlag::flagged: return "\\Flagged";
    case SystemFlag::deleted: return "\\Deleted";
    case SystemFlag::seen: return "\\Seen";
    case SystemFlag::draft: return "\\Draft";
    case SystemFlag::recent: return "\\Recent";
  }
  return {};
}

std::optional<SystemFlag> system_flag_from(std::string_view name) {
  for (const SystemFlag flag : kSettable) {
    if (iequals(name, to_text(flag))) return flag;
  }
  return std::nullopt;
}

bool FlagSet::add_keyword(std::string_view keyword) {
  if (keyword.empty() || keyword.size() > kKeywordLengthMax) return false;
  if (has_keyword(keyword)) return true;
  if (keywords_.size() >= kKeywordsMax) return false;
  keywords_.emplace_back(keyword);
  return true;
}

bool FlagSet::has_keyword(std::string_view keyword) const {
  return std::any_of(keywords_.begin(), keywords_.end(),
                     [&](const std::string& known) { return iequals(known, keyword); });
}

}  // namespace ph::imap
