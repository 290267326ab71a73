// Asynchronous DNS.
//
// An answer is one of three facts: records, "the name has none of that type" (no_data), "there is
// no such name" (no_such_name, authoritative NXDOMAIN). Everything else, SERVFAIL and time-outs
// included, is an Error of disposition transient and says nothing about the name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/task.h"

namespace ph::rt {

enum class DnsType : uint16_t { a = 1, ptr = 12, mx = 15, txt = 16, aaaa = 28, tlsa = 52 };

struct DnsQuestion {
  std::string name;  // without a final dot; A-labels
  DnsType type = DnsType::a;
};

struct DnsRecord {
  // a, aaaa: the numeric address. mx, ptr: the host name in lower case without a final dot ("" is
  // the root: RFC 7505 null MX). txt: the joined strings. tlsa: the RDATA octets.
  std::string data;
  uint16_t preference = 0;  // mx
};

struct DnsAnswer {
  enum class Kind : uint8_t { records, no_data, no_such_name };
  Kind kind = Kind::no_data;
  std::vector<DnsRecord> records;  // at most kDnsRecordsMax
  Duration ttl;
  bool secure = false;  // validated by DNSSEC
};

inline constexpr size_t kDnsRecordsMax = 64;

class Resolver {
 public:
  virtual ~Resolver() = default;
  // On the loop of the calling activity.
  virtual Task<Result<DnsAnswer>> lookup(Loop& loop, DnsQuestion question, Deadline deadline) = 0;
};

}  // namespace ph::rt
