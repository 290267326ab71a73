// "Pending" as a value (law 5): what can take long answers with an Outcome.
//
// done: finished. pending: not yet, and nothing is wrong; `when` says when to look again.
// transient: failed, may work later. permanent: failed for good. refused: policy says no.
// A protocol may render pending in its own words, but never as an error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ph {

enum class Verdict : uint8_t { done, pending, transient, permanent, refused };

std::string_view to_text(Verdict v);

struct Outcome {
  Verdict verdict = Verdict::done;
  std::string reason;  // for people; never empty unless done
  Time when;           // pending and transient: the next time something will happen

  static Outcome finished() { return {}; }
  static Outcome pending(std::string reason, Time when);
  static Outcome transient(std::string reason, Time when);
  static Outcome permanent(std::string reason);
  static Outcome refused(std::string reason);

  bool is_done() const { return verdict == Verdict::done; }
};

}  // namespace ph
