// Every reader of codec/text on arbitrary octets: no crash, valid UTF-8 out, round trips hold.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/text.h"
#include "codec/text/casemap.h"
#include "codec/text/charset.h"
#include "codec/text/encoded_word.h"
#include "codec/text/mailbox_name.h"
#include "codec/text/parameter.h"
#include "codec/text/transfer.h"

namespace {

void check_charset(std::string_view charset, std::string_view octets) {
  const std::string whole = ph::text::to_utf8(octets, charset);
  PH_CHECK(ph::is_valid_utf8(whole));
  std::string pieces;
  ph::text::CharsetReader reader(charset);
  for (const char c : octets) reader.feed({&c, 1}, pieces);
  reader.finish(pieces);
  PH_CHECK(pieces == whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ph::text;
  static constexpr std::string_view kCharsets[] = {
      "utf-8",  "iso-8859-1", "iso-2022-jp",  "iso-2022-kr", "iso-2022-cn",  "gb18030",
      "big5",   "shift_jis",  "euc-jp",       "euc-kr",      "utf-7",        "utf-16",
      "utf-32", "koi8-r",     "viscii",       "none",        "windows-1258", "tcvn",
      "johab",  "euc-tw",     "iso-2022-jp-3"};
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_charset(kCharsets[data[0] % std::size(kCharsets)], octets);
  PH_CHECK(ph::is_valid_utf8(decode_words(octets)));
  for (const auto encoding : {TransferEncoding::quoted_printable, TransferEncoding::base64}) {
    std::string pieces;
    TransferDecoder decoder(encoding);
    for (const char c : octets) decoder.feed({&c, 1}, pieces);
    decoder.finish(pieces);
    PH_CHECK(pieces == decode_transfer(octets, encoding));
  }
  PH_CHECK(decode_transfer(encode_base64_lines(octets), TransferEncoding::base64) == octets);
  const Parameters all = parse_parameters(octets);
  PH_CHECK(all.size() <= kParametersMax);
  for (const Parameter& p : all) (void)parameter(all, p.name);
  if (const auto name = from_modified_utf7(octets)) PH_CHECK(to_modified_utf7(*name) == octets);
  PH_CHECK(from_modified_utf7(to_modified_utf7(octets)).has_value());
  PH_CHECK(Needle(octets).is_in(octets));
  return 0;
}
