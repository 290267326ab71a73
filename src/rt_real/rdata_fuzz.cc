#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "rt_real/detail/rdata.h"

// First octet: the type. A name that is read is one that may be asked for.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ph::rt::DnsType;
  if (size == 0) return 0;
  constexpr DnsType kTypes[] = {DnsType::a,   DnsType::ptr,  DnsType::mx,
                                DnsType::txt, DnsType::aaaa, DnsType::tlsa};
  const DnsType type = kTypes[data[0] % 6];
  const std::string_view rdata(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto record = ph::rt_real::detail::parse_rdata(type, rdata);
  if (!record.has_value()) return 0;
  if ((type == DnsType::mx || type == DnsType::ptr) && !record->data.empty()) {
    PH_CHECK(ph::rt_real::detail::is_askable(record->data));
  }
  PH_CHECK(record->data.size() <= rdata.size() * 10);
  return 0;
}
