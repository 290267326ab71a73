#include "model/envelope.h"

#include "base/check.h"

namespace ph::model {

std::string_view domain_of(std::string_view address) {
  const size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

std::string_view to_text(Origin origin) {
  switch (origin) {
    case Origin::smtp: return "smtp";
    case Origin::submission: return "submission";
    case Origin::report: return "report";
    case Origin::internal: return "internal";
    case Origin::x400: return "x400";
  }
  PH_CHECK(false);
}

std::string_view to_text(PeerClass peer) {
  switch (peer) {
    case PeerClass::foreign: return "foreign";
    case PeerClass::partner: return "partner";
    case PeerClass::cluster: return "cluster";
  }
  PH_CHECK(false);
}

std::string_view to_text(Priority priority) {
  switch (priority) {
    case Priority::low: return "low";
    case Priority::normal: return "normal";
    case Priority::high: return "high";
  }
  PH_CHECK(false);
}

std::optional<Priority> priority_named(std::string_view name) {
  for (const Priority p : {Priority::low, Priority::normal, Priority::high}) {
    if (to_text(p) == name) return p;
  }
  return std::nullopt;
}

}  // namespace ph::model
