// Case folding and substring search, as IMAP SEARCH compares (RFC 3501 section 6.4.4, RFC 5051).
//
// fold_case maps each character of UTF-8 text through its simple upper and lower case (one
// character stays one; no decomposition). Invalid octets pass unchanged. Linear.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ph::text {

std::string fold_case(std::string_view utf8);
char32_t fold_case(char32_t character);

// A text to look for, prepared once and used for many messages. Matching takes linear time whatever
// the texts are (Knuth-Morris-Pratt).
class Needle {
 public:
  explicit Needle(std::string_view utf8);

  bool is_in(std::string_view utf8) const;
  bool empty() const { return folded_.empty(); }

 private:
  friend class NeedleSearch;
  std::string folded_;
  std::vector<size_t> border_;
};

// The same over a text that comes in pieces, each of whole UTF-8 sequences. The needle outlives it.
class NeedleSearch {
 public:
  explicit NeedleSearch(const Needle& needle) : needle_(&needle) {}

  bool feed(std::string_view utf8);  // true once found, for good
  bool found() const { return found_ || needle_->empty(); }
  void restart() { at_ = 0; }  // what follows is not next to what was before

 private:
  const Needle* needle_;
  size_t at_ = 0;
  bool found_ = false;
};

}  // namespace ph::text
