#include "codec/smtp/detail/reply_parser.h"

#include "base/check.h"
#include "base/text.h"
#include "codec/smtp/errors.h"

namespace ph::smtp::detail {
namespace {

// "2.1.5 text": the enhanced code in front of `text`, taken off it, if its class is the reply's.
EnhancedCode take_enhanced(std::string_view& text, uint16_t code) {
  const std::string_view word = text.substr(0, text.find(' '));
  const auto enhanced = parse_enhanced_code(word);
  if (!enhanced || enhanced->kind != code / 100) return {};
  text.remove_prefix(word.size());
  if (text.starts_with(' ')) text.remove_prefix(1);
  return *enhanced;
}

}  // namespace

Result<size_t> ReplyParser::feed(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && !complete_) {
    const std::string_view rest = bytes.substr(used);
    const size_t lf = rest.find('\n');
    std::string_view segment = rest.substr(0, lf == std::string_view::npos ? lf : lf + 1);
    segment = segment.substr(0, kLineMax - line_.size());
    line_.append(segment);
    used += segment.size();
    octets_ += segment.size();
    if (octets_ > kReplyMax) return fail(kBadReply, "endless reply");
    if (line_.ends_with('\n')) {
      const std::string line = std::move(line_);
      line_.clear();
      PH_TRY_STATUS(take_line(line));
    } else if (line_.size() >= kLineMax) {
      return fail(kBadReply, "endless line: " + printable(line_, 80));
    }
  }
  return used;
}

// RFC 5321 §4.2: three digits, "-" or blank or nothing, text.
Status ReplyParser::take_line(std::string_view line) {
  const auto bad = [line](std::string_view why) {
    return fail(kBadReply, std::string(why) + ": " + printable(line, 80));
  };
  if (!line.ends_with("\r\n")) return bad("line ended by a bare LF");
  line.remove_suffix(2);
  if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) {
    return bad("CR or NUL in a line");
  }
  const auto code = parse_u64(line.substr(0, 3));
  if (line.size() < 3 || !code || *code < 200 || *code > 599) return bad("not a reply");
  const bool more = line.size() > 3 && line[3] == '-';
  if (line.size() > 3 && line[3] != '-' && line[3] != ' ') return bad("not a reply");
  if (++lines_ > kLinesMax) return fail(kBadReply, "too many lines in a reply");
  const auto number = static_cast<uint16_t>(*code);
  if (lines_ > 1 && number != reply_.code) return bad("the code changes within a reply");
  reply_.code = number;
  std::string_view text = line.substr(line.size() > 3 ? 4 : 3);
  const EnhancedCode enhanced = take_enhanced(text, number);
  if (enhanced.is_set()) reply_.enhanced = enhanced;
  keep(text);
  complete_ = !more;
  return {};
}

void ReplyParser::keep(std::string_view text) {
  if (reply_.text.size() + text.size() + 1 > kTextMax) return;
  if (lines_ > 1) reply_.text += '\n';
  reply_.text += text;
}

std::optional<Reply> ReplyParser::next() {
  if (!complete_) return std::nullopt;
  PH_CHECK(line_.empty());
  Reply out = std::move(reply_);
  *this = ReplyParser();
  return out;
}

}  // namespace ph::smtp::detail
