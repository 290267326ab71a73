// Negative controls: each classic defect, switched on on purpose, is found and mended by the
// auditor within one sweep, and without the auditor the messages stay.
#include <gtest/gtest.h>

#include "service/queue/queue.h"
#include "service/queue/test_world.h"

namespace ph::queue::test {
namespace {

using model::QueueState;

enum class Audit : uint8_t { on, off };

// Far enough apart that no sweep but the first happens.
void begin(World& w, Defect defect, Audit audit) {
  if (audit == Audit::off) w.set("queue.sweep", "1 h");
  w.restart_with(defect);
  w.sim.run_for(Duration::minutes(4));  // delays by the start are excused so long
}

TEST(Defects, ALostWakeUpIsNoticedByTheAuditorAlone) {
  for (const Audit audit : {Audit::on, Audit::off}) {
    World w;
    w.outside.hops["smtp:far.example"].normal = Behaviour::refuse;
    const auto id = w.accept(message_to({"bob@far.example"}));
    ASSERT_TRUE(id.has_value());
    w.sim.run_for(Duration::seconds(5));
    begin(w, Defect::lost_wake_up, audit);
    w.hop("smtp:far.example").normal = Behaviour::take;
    w.sim.run_for(Duration::minutes(40));
    const bool left = w.row(*id).state == QueueState::relayed;
    EXPECT_EQ(left, audit == Audit::on);
    EXPECT_EQ(w.hits() > 0, audit == Audit::on);
  }
}

TEST(Defects, AStolenLeaseIsNoticedByTheAuditorAlone) {
  for (const Audit audit : {Audit::on, Audit::off}) {
    World w;
    w.set("queue.lease", "5 min");
    begin(w, Defect::stolen_lease, audit);
    w.hop("smtp:far.example").script = {Behaviour::hang};
    const auto id = w.accept(message_to({"bob@far.example"}));
    ASSERT_TRUE(id.has_value());
    // Two leases on, each renewed once by nobody who may.
    w.sim.run_for(Duration::minutes(12));
    EXPECT_EQ(w.row(*id).state == QueueState::relayed, audit == Audit::on);
    EXPECT_EQ(w.hits() > 0, audit == Audit::on);
    w.sim.run_for(Duration::minutes(30));
    EXPECT_EQ(w.row(*id).state == QueueState::relayed, audit == Audit::on);
  }
}

}  // namespace
}  // namespace ph::queue::test
