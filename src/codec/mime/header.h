// The header of a message or body part, field by field, over the raw octets.
//
// A header is every line up to the first empty one (which belongs to it, RFC 3501 section 6.4.5);
// without an empty line all of it is header. Lines end with LF or CRLF; a CR alone ends nothing.
// A line that is no field and continues none comes as a Field with an empty name, so the wholes
// of all fields joined are the block without its empty line: no octet is lost.
// Nothing here allocates unless it returns a string or vector. Linear time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ph::mime {

struct Field {
  std::string_view name;   // as written, without blanks before the colon; "" if this is no field
  std::string_view raw;    // behind the colon up to the last line's end, folds and blanks included
  std::string_view whole;  // all octets, line ends included

  bool is(std::string_view other) const;  // names are compared without regard to case
  // Without the line ends of folding (RFC 5322 section 2.2.3) and blanks at both ends. Encoded
  // words stay. May hold any octet except LF.
  std::string value() const;
  // value(), its encoded words and raw octets as UTF-8: for people and for search.
  std::string decoded() const;
};

class HeaderView {
 public:
  class Iterator {
   public:
    using value_type = Field;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;

    Iterator() = default;
    explicit Iterator(std::string_view rest) : rest_(rest) { read(); }
    const Field& operator*() const { return field_; }
    const Field* operator->() const { return &field_; }
    Iterator& operator++() {
      read();
      return *this;
    }
    void operator++(int) { read(); }
    bool operator==(std::default_sentinel_t) const { return field_.whole.empty(); }

   private:
    void read();
    std::string_view rest_;
    Field field_;
  };

  HeaderView() = default;
  // `block` starts with a header; a body behind it is not looked at.
  explicit HeaderView(std::string_view block) : block_(block) {}

  Iterator begin() const { return Iterator(block_); }
  std::default_sentinel_t end() const { return {}; }

  std::optional<Field> first(std::string_view name) const;
  std::vector<Field> all(std::string_view name) const;
  size_t count(std::string_view name) const;

 private:
  std::string_view block_;
};

// The octets of the header at the front of `message`, its empty line included.
size_t header_size(std::string_view message);

// What accepting a message needs, in one pass over the header and without allocation. Each value is
// Field::raw of the first such field; absent fields are empty views with a null data pointer.
struct TopHeader {
  std::string_view message_id;
  std::string_view date;
  std::string_view from;
  std::string_view sender;
  std::string_view to;
  std::string_view subject;
  std::string_view auto_submitted;
  uint32_t received_count = 0;  // hops so far (RFC 5321 section 6.3)
  uint32_t delivered_to_count = 0;
  uint32_t from_count = 0;      // more than one is against RFC 5322 section 3.6
  uint32_t field_count = 0;     // nameless lines included
  uint32_t nameless_count = 0;  // lines that are neither field nor continuation
  uint64_t size = 0;            // octets, the empty line included
  bool has_empty_line = false;
};

TopHeader scan_top_header(std::string_view message);

}  // namespace ph::mime
