#include "service/pressure/options.h"

namespace ph::pressure {

void add_settings(config::Schema& schema) {
  schema.add(kInterval);
  schema.add(kCalmTime);
  schema.add(kStaleAfter);
  schema.add(kDiskMediumEnter);
  schema.add(kDiskMediumLeave);
  schema.add(kDiskHighEnter);
  schema.add(kDiskHighLeave);
  schema.add(kDiskEnough);
  schema.add(kDiskMediumFloor);
  schema.add(kDiskHighFloor);
  schema.add(kMemoryLimit);
  schema.add(kMemoryMediumEnter);
  schema.add(kMemoryMediumLeave);
  schema.add(kMemoryHighEnter);
  schema.add(kMemoryHighLeave);
  schema.add(kLatencyMediumEnter);
  schema.add(kLatencyMediumLeave);
  schema.add(kLatencyHighEnter);
  schema.add(kLatencyHighLeave);
  schema.add(kCommitsMediumEnter);
  schema.add(kCommitsMediumLeave);
  schema.add(kCommitsHighEnter);
  schema.add(kCommitsHighLeave);
}

}  // namespace ph::pressure
