// Several clients of one folder do what they like; each keeps the list of messages that the server
// has told it, and that list must never contradict what the server says.
#include <charconv>

#include "base/random.h"
#include "front/imap/detail/test_world.h"

namespace ph::imap_server {
namespace {

// A client's own idea of the selected mailbox: UIDs by position, 0 where not told yet.
class Mirror {
 public:
  // What the server said, line by line. Messages here have no literals.
  void hear(std::string_view answer) {
    for (std::string_view line : split(answer, '\n')) hear_line(trim(line));
  }
  const std::vector<uint32_t>& uids() const { return uids_; }
  void clear() { uids_.clear(); }

 private:
  static uint32_t number(std::string_view text) {
    uint32_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
  }
  void hear_line(std::string_view line) {
    if (!line.starts_with("* ") || !is_digit(line[2])) return;
    const uint32_t n = number(line.substr(2));
    if (line.ends_with(" EXISTS")) {
      EXPECT_GE(n, uids_.size()) << "EXISTS without EXPUNGE made the mailbox smaller";
      uids_.resize(n);
    } else if (line.ends_with(" EXPUNGE")) {
      ASSERT_LE(n, uids_.size()) << line;
      ASSERT_GE(n, 1U);
      uids_.erase(uids_.begin() + (n - 1));
    } else if (has(line, " FETCH (UID ")) {
      ASSERT_LE(n, uids_.size()) << line;
      ASSERT_GE(n, 1U);
      const uint32_t uid = number(line.substr(line.find("(UID ") + 5));
      if (uids_[n - 1] != 0) EXPECT_EQ(uids_[n - 1], uid) << line;
      uids_[n - 1] = uid;
    }
  }
  std::vector<uint32_t> uids_;
};

class NumberingTest : public ::testing::TestWithParam<uint64_t> {};

class NumberingWorld : public ImapTest {
 public:
  explicit NumberingWorld(uint64_t seed) : ImapTest(seed), random(seed) {}
  void TestBody() override {
    for (int i = 0; i < 3; ++i) {
      actors.push_back({&log_in(), {}});
      actors.back().mirror.hear(actors.back().client->ask("SELECT INBOX"));
    }
    for (int i = 0; i < 120; ++i) act(actors[random.below(actors.size())]);
    for (Actor& actor : actors) settle(actor);
    EXPECT_EQ(actors[0].mirror.uids(), actors[1].mirror.uids());
    EXPECT_EQ(actors[0].mirror.uids(), actors[2].mirror.uids());
  }

 private:
  struct Actor {
    Client* client;
    Mirror mirror;
  };
  void settle(Actor& actor) {
    tell(actor, "NOOP");
    const std::string all = tell(actor, "FETCH 1:* (UID)");
    EXPECT_FALSE(has(all, "EXPUNGE"));
    std::string expected = "* SEARCH";
    for (const uint32_t uid : actor.mirror.uids()) expected += " " + std::to_string(uid);
    EXPECT_TRUE(has(tell(actor, "UID SEARCH ALL"), expected + "\r\n"));
  }
  std::string tell(Actor& actor, const std::string& command) {
    std::string answer = actor.client->ask(command);
    actor.mirror.hear(answer);
    return answer;
  }
  void act(Actor& actor) {
    const size_t count = actor.mirror.uids().size();
    const std::string some = count == 0 ? "1:*"
                                        : std::to_string(1 + random.below(count)) + "," +
                                              std::to_string(1 + random.below(count));
    switch (random.below(10)) {
      case 0:
      case 1: actor.mirror.hear(append(*actor.client, "INBOX", "Subject: x\r\n\r\ny\r\n")); break;
      case 2: tell(actor, "FETCH " + some + " (UID FLAGS)"); break;
      case 3: tell(actor, "STORE " + some + " +FLAGS (\\Deleted)"); break;
      case 4: tell(actor, "STORE " + some + " -FLAGS.SILENT (\\Deleted)"); break;
      case 5: tell(actor, "EXPUNGE"); break;
      case 6: tell(actor, "SEARCH DELETED"); break;
      case 7: tell(actor, "COPY " + some + " INBOX"); break;
      case 8: tell(actor, "MOVE " + some + " " + (random.chance(30) ? "INBOX" : "Trash")); break;
      default: tell(actor, random.chance(50) ? "NOOP" : "UID FETCH 1:* (FLAGS)"); break;
    }
  }

  Random random;
  std::vector<Actor> actors;
};

TEST_P(NumberingTest, NoClientIsToldContradictions) {
  NumberingWorld world(GetParam());
  world.TestBody();
}

INSTANTIATE_TEST_SUITE_P(Seeds, NumberingTest, ::testing::Range<uint64_t>(1, 9));

// Whatever the network does, nothing is left over and nobody else suffers.
class FaultyNetworkTest : public ::testing::TestWithParam<uint64_t> {};

class FaultyWorld : public ImapTest {
 public:
  explicit FaultyWorld(uint64_t seed) : ImapTest(seed) {}
  void TestBody() override {
    sim.network().set_profile(rt_sim::FaultProfile::rough());
    for (int i = 0; i < 12; ++i) {
      Client& client = dial(i % 4 == 0 ? kPlainPort : kTlsPort);
      client.say(std::string("a LOGIN ann@example.org \"") + kPassword +
                 "\"\r\nb SELECT INBOX\r\n");
      client.say("c APPEND INBOX {300+}\r\n" + std::string(300, 'x') + "\r\n");
      client.say("d FETCH 1:* (FLAGS BODY[])\r\ne STORE 1:* +FLAGS (\\Seen)\r\nf IDLE\r\n");
      sim.run_for(Duration::seconds(static_cast<int64_t>(sim.random().below(20))));
      if (sim.chance(30)) client.hang_up();
    }
    sim.run_for(Duration::minutes(2));
    sim.network().heal();
    Client& well = log_in();
    EXPECT_TRUE(has(well.ask("SELECT INBOX"), "OK [READ-WRITE]"));
    EXPECT_TRUE(has(append(well, "INBOX", kMessage), "OK [APPENDUID "));
    clients.clear();
    sim.run_for(Duration::hours(1));
    EXPECT_EQ(gauge("posthorn_imap_connections"), 0);
    EXPECT_EQ(gauge("posthorn_imap_message_bytes"), 0);
  }
};

TEST_P(FaultyNetworkTest, LeavesNothingBehind) {
  FaultyWorld world(GetParam());
  world.TestBody();
}

INSTANTIATE_TEST_SUITE_P(Seeds, FaultyNetworkTest, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace ph::imap_server
