#include "sim/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace ph::sim {
namespace {

using testing::HasSubstr;

struct Played {
  int status = -1;
  std::string output;
};

Played play(const std::string& script) {
  Played out;
  out.status =
      run_scenario("test", script, [&out](const std::string& line) { out.output += line + "\n"; });
  return out;
}

TEST(Scenario, HoldsWhenItsExpectationsHold) {
  const Played played = play(
      "# a comment\n"
      "account alice@example.org\n"
      "alias all@example.org to alice@example.org, carol@example.net\n"
      "hop mx.example.net for example.net\n"
      "send m1 from <> to all@example.org\n"
      "at 1 min\n"
      "expect m1 is accepted\n"
      "expect mx.example.net has m1 once  # behind the alias\n"
      "expect mailbox alice@example.org has m1 once\n");
  EXPECT_EQ(played.status, 0) << played.output;
  EXPECT_THAT(played.output, HasSubstr("mx.example.net: takes m1"));
}

TEST(Scenario, TellsWhatIsThereInsteadAndWhy) {
  const Played played = play(
      "account alice@example.org\n"
      "hop mx.example.net for example.net\n"
      "hop mx.example.net answers 451 4.7.1 \"Not yet\" at recipient\n"
      "send m1 from alice@example.org to carol@example.net\n"
      "at 1 min\n"
      "expect m1 is relayed\n"
      "expect mx.example.net has m1 once\n");
  EXPECT_EQ(played.status, 1) << played.output;
  EXPECT_THAT(played.output, HasSubstr("FAILED: m1 for <carol@example.net> is waiting_retry"));
  EXPECT_THAT(played.output, HasSubstr("451 4.7.1 Not yet"));
  EXPECT_THAT(played.output, HasSubstr("FAILED: mx.example.net took m1 0 times"));
  EXPECT_THAT(played.output, HasSubstr("at test:7"));
  EXPECT_THAT(played.output, HasSubstr("2 failed"));
}

TEST(Scenario, NamesTheLineThatCannotBeUnderstood) {
  const char* const bad[] = {"dance",
                             "account",
                             "hop mx.example.net is healthy",
                             "send m1 from a@example.org",
                             "at noon",
                             "expect m1 is relayed",
                             "kill the server",
                             "disk is tired",
                             "expect nothing waits longer than ever",
                             "clock steps aside",
                             "account a@example.org b@example.org",
                             "server has 1 loop",
                             "ticks start 10 s before they wrap",
                             "then it is healthy",
                             "send 0 letters m from a@example.org to b@example.org",
                             "send 3 letters m to b@example.org",
                             "watch letters m",
                             "expect 3 letters m are tired",
                             "expect the states of m are 3",
                             "expect the server has started late"};
  for (const char* line : bad) {
    const Played played = play("account z@example.org\n" + std::string(line) + "\n");
    EXPECT_EQ(played.status, 2) << line << "\n" << played.output;
    EXPECT_THAT(played.output, HasSubstr("test:2: ")) << line;
  }
}

TEST(Scenario, RefusesSettingsThatAreNone) {
  const Played played = play("set queue.shedule = 1 min\n");
  EXPECT_NE(played.status, 0) << played.output;
  EXPECT_THAT(played.output, HasSubstr("queue.shedule"));
}

// Every scenario that ships holds, and none of them passes by accident: see the next test.
TEST(Scenario, AllThatShipHold) {
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(PH_SOURCE_DIR "/scenarios")) {
    if (entry.path().extension() != ".scn") continue;
    ++count;
    std::ifstream file(entry.path());
    const std::string script((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
    const Played played = play(script);
    EXPECT_EQ(played.status, 0) << entry.path() << "\n" << played.output;
  }
  EXPECT_GE(count, 17u);
}

// A hop does with one message after the other what it was told, and the crowd is counted.
TEST(Scenario, TakesTurnsWithACrowd) {
  const Played played = play(
      "server has 1 loop\n"
      "set queue.lane-connections = 1\n"
      "account alice@example.org\n"
      "hop mx.example.net for example.net\n"
      "hop mx.example.net takes 2 messages\n"
      "then it answers 451 \"Busy\" at data 3 times\n"
      "then it is healthy\n"
      "watch letters m every 1 s\n"
      "send 6 letters m from alice@example.org to carol@example.net\n"
      "at 10 s\n"
      "expect 3 letters m are relayed\n"
      "expect 3 letters m are waiting_retry because peer_4xx, reply \"Busy\"\n"
      "expect mx.example.net has 3 letters m once\n"
      "expect the states of m add up to 6\n");
  EXPECT_EQ(played.status, 0) << played.output;
  EXPECT_THAT(played.output,
              HasSubstr("3 relayed (taken_by_peer), 3 waiting_retry (peer_4xx) = 6"));
}

TEST(Scenario, CountsACrowdThatIsNotThere) {
  const Played played = play(
      "account alice@example.org\n"
      "send 2 letters m from <> to alice@example.org\n"
      "at 10 s\n"
      "expect 3 letters m are delivered\n"
      "expect 2 letters m are relayed\n"
      "expect the states of m add up to 3\n"
      "expect the server has started 2 times\n");
  EXPECT_EQ(played.status, 1) << played.output;
  EXPECT_THAT(played.output, HasSubstr("FAILED: 2 letters m are so"));
  EXPECT_THAT(played.output, HasSubstr("FAILED: 0 letters m are so"));
  EXPECT_THAT(played.output, HasSubstr("2 letters: one is delivered"));
  EXPECT_THAT(played.output, HasSubstr("FAILED: the states of m add up to 2"));
  EXPECT_THAT(played.output, HasSubstr("FAILED: the server has started 1 times"));
}

// A hop that only says it can do TLS: what is not required goes on without it.
TEST(Scenario, GoesOnWithoutATlsThatDoesNotWork) {
  for (const char* rule : {"answers 454 4.7.0 \"Not now\" at tls", "is healthy"}) {
    const Played played = play(
        "account alice@example.org\n"
        "hop mx.example.net for example.net\n"
        "hop mx.example.net " +
        std::string(rule) +
        "\n"
        "hop mx.example.net offers TLS\n"
        "send m1 from alice@example.org to carol@example.net\n"
        "at 1 min\n"
        "expect m1 is relayed\n"
        "set route.require_tls = on\n"
        "send m2 from alice@example.org to carol@example.net\n"
        "after 1 min\n"
        "expect m2 is waiting_retry because tls_failure\n");
    EXPECT_EQ(played.status, 0) << played.output;
  }
}

TEST(Scenario, IsTheSameEachTime) {
  const std::string script =
      "account alice@example.org\n"
      "hop mx.example.net for example.net\n"
      "network is rough\n"
      "send m1 from alice@example.org to carol@example.net\n"
      "send m2 from alice@example.org to alice@example.org\n"
      "at 10 min\n";
  EXPECT_EQ(play(script).output, play(script).output);
}

}  // namespace
}  // namespace ph::sim
