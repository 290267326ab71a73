#include "codec/text/encoded_word.h"

#include <array>
#include <map>
#include <optional>

#include "base/text.h"
#include "codec/text/charset.h"
#include "codec/text/detail/charset_names.h"
#include "codec/text/detail/utf8.h"
#include "codec/text/transfer.h"

namespace ph::text {
namespace {

constexpr size_t kCharsetNameMax = 64;
constexpr size_t kWordMax = 75;  // RFC 2047 section 2
constexpr std::string_view kUpperHex = "0123456789ABCDEF";

struct Word {
  std::string_view charset;
  char encoding = 'q';  // 'q' or 'b'
  std::string_view text;
  size_t end = 0;  // behind the "?="
};

// Finds the words of one value. The next "?=" is searched once and remembered, so that many
// beginnings without an end stay linear.
class WordFinder {
 public:
  explicit WordFinder(std::string_view value) : value_(value) {}

  // The word that starts at `at`, where "=?" stands.
  std::optional<Word> word_at(size_t at) {
    const size_t charset = at + 2;
    const size_t charset_end = value_.substr(charset, kCharsetNameMax).find('?');
    if (charset_end == std::string_view::npos || charset_end == 0) return std::nullopt;
    Word word;
    word.charset = value_.substr(charset, charset_end);
    word.charset = word.charset.substr(0, word.charset.find('*'));  // RFC 2231 section 5
    if (word.charset.find_first_of(" \t=") != std::string_view::npos) return std::nullopt;
    const size_t letter = charset + charset_end + 1;
    if (letter + 1 >= value_.size() || value_[letter + 1] != '?') return std::nullopt;
    word.encoding = ascii_lower(value_[letter]);
    if (word.encoding != 'q' && word.encoding != 'b') return std::nullopt;
    const size_t text = letter + 2;
    if (end_ != std::string_view::npos && end_ < text) end_ = value_.find("?=", text);
    if (end_ == std::string_view::npos) return std::nullopt;
    word.text = value_.substr(text, end_ - text);
    word.end = end_ + 2;
    return word;
  }

 private:
  std::string_view value_;
  size_t end_ = 0;
};

std::string word_octets(const Word& word) {
  if (word.encoding == 'b') return decode_transfer(word.text, TransferEncoding::base64);
  // RFC 2047 section 4.2: like quoted-printable, but '_' is a space. Blanks that should not
  // be there are kept, so they must not look like padding: they are escaped too.
  std::string text;
  for (const char c : word.text) {
    if (c == '_' || c == ' ') {
      text += "=20";
    } else if (c == '\t') {
      text += "=09";
    } else {
      text += c;
    }
  }
  return decode_transfer(text, TransferEncoding::quoted_printable);
}

// Converts runs of words that share a character set. Readers are kept per set (the list of sets is
// closed, so there are few), because opening one costs far more than a short word.
class WordReader {
 public:
  explicit WordReader(std::string& out) : out_(&out) {}

  void add(const Word& word) {
    const CharsetName name = find_charset(word.charset);
    const std::string_view key =
        name.family == CharsetFamily::unknown ? std::string_view("?") : name.iconv_name;
    if (open_ != nullptr && key != open_key_) close();
    if (open_ == nullptr) {
      open_ = &readers_.try_emplace(key, word.charset).first->second;
      open_key_ = key;
    }
    std::string piece;
    open_->feed(word_octets(word), piece);
    append(piece);
  }
  void close() {
    if (open_ == nullptr) return;
    std::string piece;
    open_->finish(piece);
    append(piece);
    open_ = nullptr;
  }

 private:
  // A decoded line end or NUL must not become one of the header it is shown in.
  void append(std::string_view piece) {
    for (const char c : piece) *out_ += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  }
  std::string* out_;
  std::map<std::string_view, CharsetReader> readers_;
  CharsetReader* open_ = nullptr;
  std::string_view open_key_;
};

bool is_plain(std::string_view text) {
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  return !text.contains("=?");
}

// Safe in every place RFC 2047 section 5 allows, a phrase included.
bool is_q_safe(char c) {
  return is_alpha(c) || is_digit(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

std::string q_encode(std::string_view octets) {
  std::string out;
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == ' ') {
      out += '_';
    } else if (is_q_safe(c)) {
      out += c;
    } else {
      out += {'=', kUpperHex[octet >> 4U], kUpperHex[octet & 15U]};
    }
  }
  return out;
}

}  // namespace

std::string decode_words(std::string_view value) {
  if (!value.contains("=?")) return guess_utf8(value);
  std::string out;
  WordFinder finder(value);
  WordReader reader(out);
  size_t plain = 0;  // the start of what is not decoded yet
  bool after_word = false;
  for (size_t at = value.find("=?"); at != std::string_view::npos; at = value.find("=?", at)) {
    const std::optional<Word> word = finder.word_at(at);
    if (!word) {
      at += 2;
      continue;
    }
    const std::string_view between = value.substr(plain, at - plain);
    if (!after_word || !trim(between).empty()) {  // blanks between two words are not shown
      reader.close();
      out += guess_utf8(between);
    }
    reader.add(*word);
    at = word->end;
    plain = at;
    after_word = true;
  }
  reader.close();
  out += guess_utf8(value.substr(plain));
  return out;
}

std::string encode_words(std::string_view utf8) {
  if (is_plain(utf8)) return std::string(utf8);
  constexpr std::string_view kStart = "=?utf-8?Q?";
  constexpr size_t kTextMax = kWordMax - kStart.size() - 2;
  std::string out(kStart);
  size_t used = 0;
  for (size_t at = 0; at < utf8.size();) {
    const Utf8Step step = read_utf8(utf8.substr(at));
    const std::string piece = q_encode(step.valid ? utf8.substr(at, step.length) : kReplacement);
    if (used + piece.size() > kTextMax) {
      out += "?= ";
      out += kStart;
      used = 0;
    }
    out += piece;
    used += piece.size();
    at += step.length;
  }
  return out + "?=";
}

}  // namespace ph::text
