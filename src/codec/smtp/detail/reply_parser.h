// Replies as a client reads them: bounded, strict about CRLF, whatever the peer sends.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/smtp/reply.h"

namespace ph::smtp::detail {

class ReplyParser {
 public:
  static constexpr size_t kLineMax = 4096;  // RFC 5321 §4.5.3.1.5 says 512
  static constexpr size_t kLinesMax = 128;
  static constexpr size_t kTextMax = 8 * 1024;    // kept; the rest is read and dropped
  static constexpr size_t kReplyMax = 64 * 1024;  // read

  // Consumes up to the end of one reply. Errors: kBadReply; the parser is then of no further use.
  Result<size_t> feed(std::string_view bytes);
  // The complete reply, once.
  std::optional<Reply> next();
  bool is_empty() const { return line_.empty() && lines_ == 0; }

 private:
  Status take_line(std::string_view line);
  void keep(std::string_view text);

  std::string line_;
  Reply reply_;
  size_t lines_ = 0;
  size_t octets_ = 0;
  bool complete_ = false;
};

}  // namespace ph::smtp::detail
