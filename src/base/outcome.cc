#include "base/outcome.h"

#include <utility>

#include "base/check.h"

namespace ph {
namespace {

Outcome make(Verdict verdict, std::string reason, Time when) {
  PH_CHECK(!reason.empty());
  return Outcome{verdict, std::move(reason), when};
}

}  // namespace

std::string_view to_text(Verdict v) {
  switch (v) {
    case Verdict::done: return "done";
    case Verdict::pending: return "pending";
    case Verdict::transient: return "transient";
    case Verdict::permanent: return "permanent";
    case Verdict::refused: return "refused";
  }
  return "permanent";
}

Outcome Outcome::pending(std::string reason, Time when) {
  return make(Verdict::pending, std::move(reason), when);
}
Outcome Outcome::transient(std::string reason, Time when) {
  return make(Verdict::transient, std::move(reason), when);
}
Outcome Outcome::permanent(std::string reason) {
  return make(Verdict::permanent, std::move(reason), Time::max());
}
Outcome Outcome::refused(std::string reason) {
  return make(Verdict::refused, std::move(reason), Time::max());
}

}  // namespace ph
