#include "sim/world.h"

#include <gtest/gtest.h>

namespace ph::sim {
namespace {

TEST(World, CarriesALetterToAMailboxAndToAHop) {
  World world({.seed = 7});
  ASSERT_TRUE(world.add_account("alice@example.org").has_value());
  NextHop& hop = world.add_hop("mx.example.net", {"example.net"});
  const Status started = world.start();
  ASSERT_TRUE(started.has_value()) << started.error().to_text();
  world.send({"m1", "alice@example.org", {"alice@example.org", "carol@example.net"}});
  world.simulation().run_for(Duration::minutes(1));
  EXPECT_EQ(world.sent().at("m1").injection.fate, Fate::accepted);
  EXPECT_EQ(hop.taken("m1", "carol@example.net"), 1u);
  const auto mail = world.mailbox("alice@example.org");
  ASSERT_TRUE(mail.has_value()) << mail.error().to_text();
  ASSERT_EQ(mail->size(), 1u);
  EXPECT_EQ(marker_of(mail->front()), "m1");
  EXPECT_EQ(world.simulation().check(), rt_sim::Findings());
}

}  // namespace
}  // namespace ph::sim
