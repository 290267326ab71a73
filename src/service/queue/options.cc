#include "service/queue/options.h"

namespace ph::queue {

void add_settings(config::Schema& schema) {
  schema.add(kSchedule);
  schema.add(kJitter);
  schema.add(kExpiry);
  schema.add(kLease);
  schema.add(kPoisonAfter);
  schema.add(kPoisonReview);
  schema.add(kHold);
  schema.add(kLaneConnections);
  schema.add(kMailboxWorkers);
  schema.add(kConnections);
  schema.add(kRecipientsPerAttempt);
  schema.add(kLaneIdle);
  schema.add(kLaneFailures);
  schema.add(kLaneProbe);
  schema.add(kWindow);
  schema.add(kKeepEnded);
  schema.add(kKeepEndedMax);
  schema.add(kSweep);
}

model::QueuePolicy policy_of(const config::Values& values) {
  return {.schedule = values.get(kSchedule),
          .jitter_percent = static_cast<uint32_t>(values.get(kJitter)),
          .expiry = values.get(kExpiry),
          .lease = values.get(kLease),
          .poison_after = static_cast<uint32_t>(values.get(kPoisonAfter)),
          .poison_review = values.get(kPoisonReview)};
}

}  // namespace ph::queue
