#include "codec/imap/sequence_set.h"

#include <algorithm>

#include "base/text.h"
#include "codec/imap/detail/wire.h"

namespace ph::imap {

namespace {

// A number of a set at the start of `text`, and past it. `*` is kStar; 0 and garbage are nothing.
std::optional<uint32_t> take_number(std::string_view& text) {
  if (text.starts_with('*')) {
    text.remove_prefix(1);
    return SequenceSet::kStar;
  }
  uint64_t value = 0;
  size_t size = 0;
  for (; size < text.size() && is_digit(text[size]); ++size) {
    value = value * 10 + static_cast<uint64_t>(text[size] - '0');
    if (value > UINT32_MAX) return std::nullopt;
  }
  if (value == 0) return std::nullopt;
  text.remove_prefix(size);
  return static_cast<uint32_t>(value);
}

}  // namespace

std::optional<SequenceSet> SequenceSet::parse(std::string_view text) {
  if (text == "$") return saved_result();
  SequenceSet set;
  for (;;) {
    const auto first = take_number(text);
    if (!first) return std::nullopt;
    Range range{*first, *first};
    if (text.starts_with(':')) {
      text.remove_prefix(1);
      const auto last = take_number(text);
      if (!last) return std::nullopt;
      range.last = *last;
    }
    if (!set.add(range)) return std::nullopt;
    if (text.empty()) return set;
    if (!text.starts_with(',')) return std::nullopt;
    text.remove_prefix(1);
  }
}

SequenceSet SequenceSet::saved_result() {
  SequenceSet set;
  set.saved_result_ = true;
  return set;
}

SequenceSet SequenceSet::of(uint32_t number) {
  SequenceSet set;
  set.ranges_.push_back({number, number});
  return set;
}

SequenceSet SequenceSet::everything() {
  SequenceSet set;
  set.ranges_.push_back({1, kStar});
  return set;
}

bool SequenceSet::add(Range range) {
  if (ranges_.size() >= kRangesMax) return false;
  ranges_.push_back(range);
  return true;
}

bool SequenceSet::append(uint32_t number) {
  if (!ranges_.empty() && ranges_.back().last != kStar && ranges_.back().last + 1 == number) {
    ranges_.back().last = number;
    return true;
  }
  return add({number, number});
}

SequenceSet SequenceSet::resolve(uint32_t largest) const {
  std::vector<Range> sorted;
  sorted.reserve(ranges_.size());
  for (Range r : ranges_) {
    if (r.first == kStar) r.first = largest;
    if (r.last == kStar) r.last = largest;
    if (r.first == 0 || r.last == 0) continue;  // `*` of an empty mailbox
    if (r.first > r.last) std::swap(r.first, r.last);
    sorted.push_back(r);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  SequenceSet out;
  out.saved_result_ = saved_result_;
  for (const Range& r : sorted) {
    // 64 bits: the last UID has no successor.
    if (!out.ranges_.empty() && uint64_t{r.first} <= uint64_t{out.ranges_.back().last} + 1) {
      out.ranges_.back().last = std::max(out.ranges_.back().last, r.last);
    } else {
      out.ranges_.push_back(r);
    }
  }
  return out;
}

bool SequenceSet::contains(uint32_t number) const {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), number,
                       [](uint32_t n, const Range& range) { return n < range.first; });
  return after != ranges_.begin() && number <= std::prev(after)->last;
}

uint64_t SequenceSet::count() const {
  uint64_t sum = 0;
  for (const Range& r : ranges_) sum += uint64_t{r.last} - r.first + 1;
  return sum;
}

uint32_t SequenceSet::largest_named() const {
  uint32_t out = 0;
  for (const Range& r : ranges_) out = std::max({out, r.first, r.last});
  return out;
}

void SequenceSet::append_to(std::string& out) const {
  const auto put = [&out](uint32_t number) {
    if (number == kStar) {
      out += '*';
    } else {
      detail::append_number(out, number);
    }
  };
  if (saved_result_) out += '$';
  bool first = true;
  for (const Range& r : ranges_) {
    if (!first) out += ',';
    first = false;
    put(r.first);
    if (r.last == r.first) continue;
    out += ':';
    put(r.last);
  }
}

std::string SequenceSet::to_text() const {
  std::string out;
  append_to(out);
  return out;
}

}  // namespace ph::imap
