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
                             "account a@example.org b@example.org"};
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
  for (const auto& entry : std::filesystem::directory_iterator(PH_SOURCE_DIR "/scenarios")) {
    if (entry.path().extension() != ".scn") continue;
    ++count;
    std::ifstream file(entry.path());
    const std::string script((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
    const Played played = play(script);
    EXPECT_EQ(played.status, 0) << entry.path() << "\n" << played.output;
  }
  EXPECT_GE(count, 6u);
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
