// What a search looks for, independent of any protocol.
//
// A Query is a tree (at most kQueryDepthMax deep, kQueryTermsMax terms; more is kBadRequest). Terms
// over metadata are answered from the index in memory; header, body and text read the message, once
// and only if the metadata leave the answer open.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "state/store/flags.h"
#include "state/store/ids.h"

namespace ph::store {

inline constexpr size_t kQueryDepthMax = 40;
inline constexpr size_t kQueryTermsMax = 4'000;

struct UidRange {
  Uid first = 0;
  Uid last = 0;
};

struct Query {
  enum class Kind : uint8_t {
    all,
    all_of,         // children; none: true
    any_of,         // children; none: false
    none_of,        // children; NOT is none_of one child
    has_flag,       // flag
    has_keyword,    // text
    uids,           // ranges, rising and without overlaps
    received_from,  // time <= internal date   (SINCE; NOT gives BEFORE)
    saved_from,     // time <= save date
    sent_from,      // time <= Date field's day as its writer saw it (SENTSINCE)
    larger,         // number < size
    smaller,        // size < number
    modseq_from,    // number <= modseq
    email_id,       // number
    thread_id,      // number
    header,         // some field `field` contains `text` (UTF-8); "": the field is there
    body,           // text
    text,           // text
  };
  Kind kind = Kind::all;
  Flag flag = Flag::seen;
  uint64_t number = 0;
  Time time;
  std::string field;
  std::string text;
  std::vector<UidRange> ranges;
  std::vector<Query> children;
};

}  // namespace ph::store
