// Limits and periods of the store.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace ph::store {

struct Options {
  size_t open_mailboxes_max = 2'000;  // per loop; those in use are never closed
  Duration close_idle_after = Duration::minutes(10);
  // Folder indexes that nobody looks at are dropped beyond this many octets per loop.
  size_t idle_index_bytes_max = size_t{64} << 20;
  size_t summaries_max = 10'000;        // envelopes and structures kept, per loop; about 3 KiB each
  size_t waiting_changes_max = 10'000;  // per mailbox; beyond: kBusy

  uint64_t message_bytes_max = uint64_t{150} << 20;
  Duration handover_ids_kept = Duration::days(30);
  Duration tombstones_kept = Duration::days(30);
  Duration submissions_kept = Duration::days(30);          // after their end
  Duration submission_expires_after = Duration::days(40);  // in any resting state
  Duration sweep_every = Duration::hours(6);

  Duration handover_retry_min = Duration::seconds(1);
  Duration handover_retry_max = Duration::minutes(5);
  Duration progress_every = Duration::seconds(30);  // unless transport or a hint says sooner
  Duration commit_deadline = Duration::minutes(2);
};

}  // namespace ph::store
