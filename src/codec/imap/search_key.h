// What SEARCH looks for (RFC 3501 section 6.4.4, RFC 9051, RFC 7162 MODSEQ, RFC 5032 WITHIN).
//
// The keys of the wire are reduced to few kinds: UNSEEN is `lacks_flag` seen, NEW is all of
// `has_flag` recent and `lacks_flag` seen, FROM x is `header` "From" x, OR is `any_of`. Nesting is
// at most kSearchDepthMax, the keys of one command at most kSearchKeysMax, so that a tree may be
// walked by recursion.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codec/imap/date.h"
#include "codec/imap/flag_set.h"
#include "codec/imap/sequence_set.h"

namespace ph::imap {

inline constexpr size_t kSearchDepthMax = 32;
inline constexpr size_t kSearchKeysMax = 2'000;

enum class SearchKind : uint8_t {
  all,
  all_of,   // children (a parenthesised list, and the command's own list)
  any_of,   // two children (OR)
  none_of,  // one child (NOT)
  has_flag,
  lacks_flag,     // flag
  has_keyword,    // text
  lacks_keyword,  // text
  sequence,       // numbers
  uid,            // numbers
  header,         // field, text ("" finds every message that has the field)
  body,           // text
  text,           // text
  before,
  on,
  since,  // date, of the internal date
  sent_before,
  sent_on,
  sent_since,  // date, of the Date header field
  larger,
  smaller,  // number
  older,
  younger,  // number of seconds
  modseq,   // number
};

struct SearchKey {
  SearchKind kind = SearchKind::all;
  SystemFlag flag = SystemFlag::seen;
  CalendarDate date = {};
  uint64_t number = 0;
  std::string field = {};
  std::string text = {};  // in the command's charset
  SequenceSet numbers = {};
  std::vector<SearchKey> children = {};
  bool operator==(const SearchKey&) const = default;
};

// RETURN (...) of RFC 4731 and RFC 5182. "RETURN ()" is ALL.
struct SearchReturn {
  bool min = false;
  bool max = false;
  bool all = false;
  bool count = false;
  bool save = false;
  bool operator==(const SearchReturn&) const = default;
};

}  // namespace ph::imap
