// Sets of message numbers: "1:3,7,10:*" (RFC 9051 section 9, sequence-set).
//
// A set keeps its ranges as they were written; `*` is the largest number in the mailbox and gets
// its value in resolve(). A resolved set is sorted, without overlaps and without `*`. Bounded by
// kRangesMax ranges, however it is filled: what does not fit is refused, never dropped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ph::imap {

class SequenceSet {
 public:
  static constexpr uint32_t kStar = 0;  // no message has the number 0, so 0 stands for `*`
  static constexpr size_t kRangesMax = 32'768;

  struct Range {
    uint32_t first = 0;
    uint32_t last = 0;
    bool operator==(const Range&) const = default;
  };

  // The whole text is one set, or nothing. "$" is the saved result (RFC 5182).
  static std::optional<SequenceSet> parse(std::string_view text);
  static SequenceSet saved_result();
  static SequenceSet of(uint32_t number);
  // Every number from 1 on, "1:*".
  static SequenceSet everything();

  // False at the cap; the set is unchanged then.
  [[nodiscard]] bool add(Range range);
  // Appends `number`, joining it to the last range where it is the next number. For building an
  // ascending set (search results, COPYUID) in constant time per number. False at the cap.
  [[nodiscard]] bool append(uint32_t number);

  // `largest` is the value of `*`, 0 for an empty mailbox, where `*` stands for nothing.
  // "9:*" with 5 messages is 5:9 by the RFC: it names the last message, and 6 to 9 as well.
  SequenceSet resolve(uint32_t largest) const;

  // The three below are for resolved sets. for_each() visits numbers, not messages: a UID set such
  // as 1:4294967295 is to be compared with the UIDs there are, by contains() or range by range.
  bool contains(uint32_t number) const;  // logarithmic
  uint64_t count() const;
  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (const Range& r : ranges_) {
      for (uint64_t n = r.first; n <= r.last; ++n) visit(static_cast<uint32_t>(n));
    }
  }

  bool empty() const { return ranges_.empty(); }
  bool is_saved_result() const { return saved_result_; }
  const std::vector<Range>& ranges() const { return ranges_; }
  // The largest number named outright (0 if only `*` is named).
  uint32_t largest_named() const;
  void append_to(std::string& out) const;
  std::string to_text() const;
  bool operator==(const SequenceSet&) const = default;

 private:
  std::vector<Range> ranges_;
  bool saved_result_ = false;
};

}  // namespace ph::imap
