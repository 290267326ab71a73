#include "codec/tls/detail/openssl.h"

#include <openssl/err.h>

#include <array>

#include "base/check.h"

namespace ph::tls::detail {

std::string take_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  std::array<char, 128> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

Owned<BIO> reader(std::string_view text) {
  Owned<BIO> out(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  PH_CHECK(out != nullptr);
  return out;
}

}  // namespace ph::tls::detail
