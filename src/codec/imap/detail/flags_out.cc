#include "codec/imap/detail/flags_out.h"

#include <string_view>

namespace ph::imap::detail {

void append_flags(std::string& out, const FlagSet& flags) {
  char before = '(';
  for (unsigned bits = flags.system_bits(); bits != 0; bits &= bits - 1) {
    out += before;
    before = ' ';
    out += to_text(static_cast<SystemFlag>(bits & (~bits + 1)));
  }
  for (const std::string& keyword : flags.keywords()) {
    out += before;
    before = ' ';
    out += keyword;
  }
  if (before == '(') out += '(';
  out += ')';
}

}  // namespace ph::imap::detail
