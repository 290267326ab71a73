#include "codec/mime/writer.h"

#include <algorithm>

#include "base/text.h"
#include "codec/text/encoded_word.h"

namespace ph::mime {
namespace {

constexpr size_t kLineWished = 78;  // RFC 5322 section 2.1.1
constexpr size_t kLineMax = 998;
constexpr size_t kGapMax = 40;  // white space between two words
constexpr size_t kBoundaryOctets = 24;

std::string harmless(std::string_view value) {
  std::string out(value);
  for (char& c : out) {
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  }
  return out;
}

}  // namespace

std::string fold_field(std::string_view name, std::string_view value) {
  const std::string clean = harmless(value);
  std::string_view rest = trim(clean);
  std::string out = std::string(name) + ":";
  size_t column = out.size();
  std::string_view gap = " ";
  while (!rest.empty()) {
    const size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    std::string_view word = rest.substr(0, end);
    rest.remove_prefix(end);
    const bool first = column == name.size() + 1;
    if (!first && column + gap.size() + word.size() > kLineWished) {
      out += "\r\n";
      column = 0;
    }
    out += gap;
    column += gap.size();
    for (; column + word.size() > kLineMax; column = 1) {
      const size_t fits = kLineMax - column;
      out.append(word.substr(0, fits)).append("\r\n ");
      word.remove_prefix(fits);
    }
    out += word;
    column += word.size();
    const size_t next = std::min(rest.find_first_not_of(" \t"), rest.size());
    gap = next > kGapMax ? std::string_view(" ") : rest.substr(0, next);
    rest.remove_prefix(next);
  }
  return out + "\r\n";
}

std::string make_boundary(std::string_view random) {
  return "=_" + hex_encode(random.substr(0, kBoundaryOctets));
}

std::string format_mailbox(std::string_view name_utf8, std::string_view addr_spec) {
  const std::string angle = "<" + harmless(addr_spec) + ">";
  if (name_utf8.empty()) return angle;
  const std::string clean = harmless(name_utf8);
  const std::string encoded = text::encode_words(clean);
  if (encoded != clean) return encoded + " " + angle;
  const bool is_phrase = std::ranges::all_of(
      clean, [](char c) { return is_alpha(c) || is_digit(c) || c == ' ' || c == '-' || c == '_'; });
  if (is_phrase) return clean + " " + angle;
  std::string quoted = "\"";
  for (const char c : clean) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\" " + angle;
}

MultipartWriter::MultipartWriter(std::string boundary) : boundary_(std::move(boundary)) {}

std::string MultipartWriter::content_type(std::string_view subtype,
                                          std::string_view more_parameters) const {
  std::string out = "multipart/" + std::string(subtype) + "; ";
  if (!more_parameters.empty()) out.append(more_parameters).append("; ");
  return out + "boundary=\"" + boundary_ + "\"";
}

void MultipartWriter::add(std::string_view header, std::string_view body) {
  if (!out_.empty()) out_ += "\r\n";  // it belongs to the delimiter, not to the body before
  out_.append("--").append(boundary_).append("\r\n");
  out_.append(header).append("\r\n").append(body);
}

std::string MultipartWriter::finish() {
  out_.append("\r\n--").append(boundary_).append("--\r\n");
  return std::move(out_);
}

}  // namespace ph::mime
