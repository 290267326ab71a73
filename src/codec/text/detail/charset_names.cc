#include "codec/text/detail/charset_names.h"

#include <algorithm>
#include <span>

#include "base/text.h"

namespace ph::text {
namespace {

constexpr size_t kNameMax = 40;

constexpr std::string_view kUtf8Keys[] = {
    "",         "utf8",  "usascii", "ascii",         "ansix341968",
    "iso646us", "cp367", "us",      "unicode11utf8", "646"};
constexpr std::string_view kUtf7Keys[] = {"utf7", "unicode11utf7", "unicode20utf7",
                                          "xunicode20utf7", "csunicode11utf7"};
constexpr std::string_view kWindows1252Keys[] = {
    "iso88591", "latin1",  "l1",      "isoir100", "cp819", "ibm819", "windows1252",
    "cp1252",   "xcp1252", "win1252", "ansi",     "xansi", "iso8859"};

struct Alias {
  std::string_view key;  // lower case, letters and digits only
  const char* name;
};

// Supersets stand for what mailers label too narrowly: GB18030 for gb2312, CP932 for shift_jis.
constexpr Alias kAliases[] = {
    {"latin2", "ISO-8859-2"},
    {"l2", "ISO-8859-2"},
    {"latin3", "ISO-8859-3"},
    {"latin4", "ISO-8859-4"},
    {"cyrillic", "ISO-8859-5"},
    {"arabic", "ISO-8859-6"},
    {"iso88596i", "ISO-8859-6"},
    {"iso88596e", "ISO-8859-6"},
    {"greek", "ISO-8859-7"},
    {"hebrew", "ISO-8859-8"},
    {"iso88598i", "ISO-8859-8"},
    {"iso88598e", "ISO-8859-8"},
    {"latin5", "ISO-8859-9"},
    {"l5", "ISO-8859-9"},
    {"latin6", "ISO-8859-10"},
    {"latin7", "ISO-8859-13"},
    {"latin8", "ISO-8859-14"},
    {"latin9", "ISO-8859-15"},
    {"latin0", "ISO-8859-15"},
    {"latin10", "ISO-8859-16"},
    {"windows874", "CP874"},
    {"tis620", "CP874"},
    {"iso885911", "CP874"},
    {"koi8r", "KOI8-R"},
    {"koi8", "KOI8-R"},
    {"koi", "KOI8-R"},
    {"koi8u", "KOI8-U"},
    {"koi8ru", "KOI8-U"},
    {"koi8t", "KOI8-T"},
    {"macintosh", "MACINTOSH"},
    {"mac", "MACINTOSH"},
    {"macroman", "MACINTOSH"},
    {"xmacroman", "MACINTOSH"},
    {"maccyrillic", "MAC-CYRILLIC"},
    {"xmaccyrillic", "MAC-CYRILLIC"},
    {"xmacce", "MAC-CENTRALEUROPE"},
    {"shiftjis", "CP932"},
    {"sjis", "CP932"},
    {"xsjis", "CP932"},
    {"mskanji", "CP932"},
    {"windows31j", "CP932"},
    {"cswindows31j", "CP932"},
    {"cp932", "CP932"},
    {"eucjp", "EUC-JP-MS"},
    {"xeucjp", "EUC-JP-MS"},
    {"eucjpms", "EUC-JP-MS"},
    {"ujis", "EUC-JP-MS"},
    {"iso2022jp", "ISO-2022-JP-2"},
    {"csiso2022jp", "ISO-2022-JP-2"},
    {"iso2022jp1", "ISO-2022-JP-2"},
    {"iso2022jp2", "ISO-2022-JP-2"},
    {"iso2022jp3", "ISO-2022-JP-3"},
    {"iso2022jpms", "ISO-2022-JP-2"},
    {"cp50220", "ISO-2022-JP-2"},
    {"cp50221", "ISO-2022-JP-2"},
    {"iso2022kr", "ISO-2022-KR"},
    {"csiso2022kr", "ISO-2022-KR"},
    {"iso2022cn", "ISO-2022-CN"},
    {"iso2022cnext", "ISO-2022-CN-EXT"},
    {"euckr", "UHC"},
    {"ksc56011987", "UHC"},
    {"ksc5601", "UHC"},
    {"ksc56011989", "UHC"},
    {"korean", "UHC"},
    {"uhc", "UHC"},
    {"cp949", "UHC"},
    {"windows949", "UHC"},
    {"johab", "JOHAB"},
    {"gb2312", "GB18030"},
    {"gb231280", "GB18030"},
    {"xgb2312", "GB18030"},
    {"csgb2312", "GB18030"},
    {"euccn", "GB18030"},
    {"gbk", "GB18030"},
    {"xgbk", "GB18030"},
    {"cp936", "GB18030"},
    {"windows936", "GB18030"},
    {"gb18030", "GB18030"},
    {"chinese", "GB18030"},
    {"chinesesimplified", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"big5hkscs", "BIG5-HKSCS"},
    {"cnbig5", "BIG5-HKSCS"},
    {"csbig5", "BIG5-HKSCS"},
    {"xxbig5", "BIG5-HKSCS"},
    {"cp950", "BIG5-HKSCS"},
    {"windows950", "BIG5-HKSCS"},
    {"euctw", "EUC-TW"},
    {"xeuctw", "EUC-TW"},
    {"viscii", "VISCII"},
    {"tcvn", "TCVN5712-1"},
    {"armscii8", "ARMSCII-8"},
    {"georgianps", "GEORGIAN-PS"},
    {"hproman8", "HP-ROMAN8"},
    {"utf16", "UTF-16"},
    {"unicode", "UTF-16"},
    {"ucs2", "UTF-16"},
    {"iso10646ucs2", "UTF-16"},
    {"utf16le", "UTF-16LE"},
    {"utf16be", "UTF-16BE"},
    {"utf32", "UTF-32"},
    {"utf32le", "UTF-32LE"},
    {"utf32be", "UTF-32BE"},
};

// Numbered families: the digits behind the prefix choose the name.
struct Numbered {
  std::string_view number;
  const char* name;
};
constexpr Numbered kIso8859[] = {
    {"2", "ISO-8859-2"},   {"3", "ISO-8859-3"},   {"4", "ISO-8859-4"},   {"5", "ISO-8859-5"},
    {"6", "ISO-8859-6"},   {"7", "ISO-8859-7"},   {"8", "ISO-8859-8"},   {"9", "ISO-8859-9"},
    {"10", "ISO-8859-10"}, {"13", "ISO-8859-13"}, {"14", "ISO-8859-14"}, {"15", "ISO-8859-15"},
    {"16", "ISO-8859-16"}};
constexpr Numbered kCodePages[] = {
    {"1250", "CP1250"}, {"1251", "CP1251"}, {"1253", "CP1253"}, {"1254", "CP1254"},
    {"1255", "CP1255"}, {"1256", "CP1256"}, {"1257", "CP1257"}, {"1258", "CP1258"},
    {"437", "CP437"},   {"737", "CP737"},   {"775", "CP775"},   {"850", "CP850"},
    {"852", "CP852"},   {"855", "CP855"},   {"857", "CP857"},   {"858", "CP858"},
    {"860", "CP860"},   {"861", "CP861"},   {"862", "CP862"},   {"863", "CP863"},
    {"864", "CP864"},   {"865", "CP865"},   {"866", "CP866"},   {"869", "CP869"},
    {"874", "CP874"},   {"1125", "CP1125"}};

template <size_t N>
bool holds(const std::string_view (&keys)[N], std::string_view key) {
  return std::ranges::find(keys, key) != std::end(keys);
}

std::string make_key(std::string_view name) {
  std::string key;
  for (const char c : name.substr(0, kNameMax)) {
    if (is_digit(c) || is_alpha(c)) key += ascii_lower(c);
  }
  return key;
}

const char* find_numbered(std::string_view key, std::string_view prefix,
                          std::span<const Numbered> family) {
  if (!key.starts_with(prefix)) return nullptr;
  const auto at = std::ranges::find(family, key.substr(prefix.size()), &Numbered::number);
  return at == family.end() ? nullptr : at->name;
}

// ISO_8859-5:1988 and the like: the name without the year of the standard.
std::string_view without_year(std::string_view key) {
  if (!key.starts_with("iso8859") || key.size() < 12) return key;
  const std::string_view year = key.substr(key.size() - 4);
  return year.starts_with("198") || year.starts_with("199") ? key.substr(0, key.size() - 4) : key;
}

}  // namespace

CharsetName find_charset(std::string_view name) {
  name = trim(name);
  if (name.size() > kNameMax) return {};
  const std::string whole_key = make_key(name);
  const std::string_view key = without_year(whole_key);
  if (holds(kUtf8Keys, key)) return {CharsetFamily::utf8, "UTF-8"};
  if (holds(kUtf7Keys, key)) return {CharsetFamily::utf7, "UTF-7"};
  if (holds(kWindows1252Keys, key)) return {CharsetFamily::windows1252, "CP1252"};
  const auto* alias = std::ranges::find(kAliases, key, &Alias::key);
  if (alias != std::end(kAliases)) return {CharsetFamily::converter, alias->name};
  if (const char* found = find_numbered(key, "iso8859", kIso8859)) {
    return {CharsetFamily::converter, found};
  }
  for (const std::string_view prefix : {"windows", "cp", "ibm", "win", "xcp", "xwindows", "dos"}) {
    if (const char* found = find_numbered(key, prefix, kCodePages)) {
      return {CharsetFamily::converter, found};
    }
  }
  return {};
}

}  // namespace ph::text
