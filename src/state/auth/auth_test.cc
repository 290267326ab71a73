#include "state/auth/auth.h"

#include <gtest/gtest.h>

#include <utility>

#include "codec/sasl/client.h"
#include "codec/sasl/server.h"
#include "kv/errors.h"
#include "kv_mem/store.h"
#include "rt_sim/simulation.h"

namespace ph::auth {
namespace {

using sasl::PasswordVerdict;

class AuthTest : public ::testing::Test {
 protected:
  AuthTest() : sim(13), host(sim.add_host({.name = "mx"})) { open(); }
  ~AuthTest() override {
    auth.reset();
    store.reset();
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }

  void open() {
    auth.reset();
    store = nullptr;
    store = std::make_unique<kv_mem::MemStore>(disk);
    auto made = run(Auth::open({host.runtime(), *store}, host.loop()));
    ASSERT_TRUE(made.has_value());
    auth = std::move(*made);
  }
  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out = sim.await(host.loop(), std::move(task));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  rt::Deadline soon(Duration d = Duration::seconds(10)) { return host.loop().in(d); }
  Status set(const std::string& login, const std::string& password) {
    return run(auth->set_password(login, password, soon()));
  }
  PasswordVerdict check(const std::string& login, const std::string& password) {
    const auto verdict =
        sim.await(host.loop(1), auth->check(host.loop(1), login, password, soon()));
    PH_CHECK(verdict.has_value() && verdict->has_value());
    return **verdict;
  }

  kv_mem::MemDisk disk;
  rt_sim::Simulation sim;
  rt_sim::Host& host;
  std::unique_ptr<kv_mem::MemStore> store;
  std::unique_ptr<Auth> auth;
};

TEST_F(AuthTest, OnlyTheRightPasswordOfTheRightLoginIsRight) {
  ASSERT_TRUE(set("Alice@example.org", "correct horse").has_value());
  ASSERT_TRUE(set("bob@example.org", "battery staple").has_value());
  EXPECT_EQ(check("alice@example.org", "correct horse"), PasswordVerdict::right);
  EXPECT_EQ(check("ALICE@example.org", "correct horse"), PasswordVerdict::right);
  EXPECT_EQ(check("alice@example.org", "Correct horse"), PasswordVerdict::wrong);
  EXPECT_EQ(check("alice@example.org", ""), PasswordVerdict::wrong);
  EXPECT_EQ(check("alice@example.org", "battery staple"), PasswordVerdict::wrong);
  EXPECT_EQ(check("eve@example.org", "correct horse"), PasswordVerdict::wrong);
  EXPECT_TRUE(auth->has_password("alice@example.org"));
  EXPECT_FALSE(auth->has_password("eve@example.org"));
}

TEST_F(AuthTest, ScramWorksWithTheVerifierThatIsKept) {
  ASSERT_TRUE(set("alice@example.org", "correct horse").has_value());
  auto server = sasl::Server::create("SCRAM-SHA-256", std::string(24, 'n'));
  ASSERT_TRUE(server.has_value());
  sasl::ScramClient client({"alice@example.org", "correct horse", ""}, std::string(18, 'c'));
  sasl::Step step = server->start(client.first());
  auto* need = std::get_if<sasl::NeedVerifier>(&step);
  ASSERT_NE(need, nullptr);
  step = server->supply(auth->verifier(need->user));
  auto* challenge = std::get_if<sasl::Challenge>(&step);
  ASSERT_NE(challenge, nullptr);
  const auto proof = client.final(challenge->bytes);
  ASSERT_TRUE(proof.has_value());
  step = server->step(*proof);
  EXPECT_FALSE(std::holds_alternative<sasl::Failed>(step));
}

TEST_F(AuthTest, ARestartKeepsLoginsAndThePretences) {
  ASSERT_TRUE(set("alice@example.org", "correct horse").has_value());
  ASSERT_TRUE(set("bob@example.org", "battery staple").has_value());
  ASSERT_TRUE(run(auth->forget("BOB@example.org", soon())).has_value());
  const sasl::Verifier real = auth->verifier("alice@example.org");
  const sasl::Verifier pretended = auth->verifier("bob@example.org");
  EXPECT_EQ(auth->verifier("bob@example.org"), pretended);
  EXPECT_EQ(pretended.iterations, real.iterations);
  EXPECT_EQ(pretended.salt.size(), real.salt.size());
  open();
  EXPECT_EQ(auth->verifier("alice@example.org"), real);
  EXPECT_EQ(auth->verifier("bob@example.org"), pretended);
  EXPECT_EQ(check("alice@example.org", "correct horse"), PasswordVerdict::right);
  EXPECT_EQ(check("bob@example.org", "battery staple"), PasswordVerdict::wrong);
  EXPECT_EQ(auth->damaged_records(), 0U);
}

TEST_F(AuthTest, BadPasswordsAreRefusedWithTheRule) {
  EXPECT_TRUE(set("a@example.org", "short").error().is(kBadPassword));
  EXPECT_TRUE(set("a@example.org", "control\x01octet").error().is(kBadPassword));
  EXPECT_TRUE(set("a@example.org", "not utf-8 \xFF").error().is(kBadPassword));
  EXPECT_FALSE(auth->has_password("a@example.org"));
}

TEST_F(AuthTest, GuessingFromOnePlaceGetsSlowerAndSlower) {
  for (uint32_t i = 0; i < kFailuresFree; ++i) auth->note_failure("192.0.2.1");
  EXPECT_EQ(auth->delay_for("192.0.2.1"), Duration());
  Duration last;
  for (int i = 0; i < 4; ++i) {
    auth->note_failure("192.0.2.1");
    EXPECT_GT(auth->delay_for("192.0.2.1"), last);
    last = auth->delay_for("192.0.2.1");
  }
  for (int i = 0; i < 2000; ++i) auth->note_failure("192.0.2.1");
  EXPECT_EQ(auth->delay_for("192.0.2.1"), kDelayMax);
  EXPECT_EQ(auth->delay_for("192.0.2.2"), Duration());
  auth->note_success("192.0.2.1");
  EXPECT_EQ(auth->delay_for("192.0.2.1"), Duration());
}

TEST_F(AuthTest, AnIpv6NetworkIsOnePlace) {
  for (int i = 1; i <= 5; ++i) auth->note_failure("2001:db8::" + std::to_string(i));
  EXPECT_GT(auth->delay_for("2001:db8:0:0:99::1"), Duration());
  EXPECT_EQ(auth->delay_for("2001:db8:0:1::1"), Duration());
}

TEST_F(AuthTest, TheTableOfPlacesForgetsTheOldest) {
  for (int i = 0; i < 5; ++i) auth->note_failure("old");
  for (size_t i = 0; i < kPlacesMax - 1; ++i) auth->note_failure("place " + std::to_string(i));
  EXPECT_GT(auth->delay_for("old"), Duration());
  for (size_t i = 0; i < kPlacesMax; ++i) auth->note_failure("other " + std::to_string(i));
  EXPECT_EQ(auth->delay_for("old"), Duration());
}

TEST_F(AuthTest, AFullPoolIsAnErrorAndNoVerdict) {
  ASSERT_TRUE(set("alice@example.org", "correct horse").has_value());
  host.set_pool_room(rt_sim::Host::PoolRoom::none);
  const auto verdict = run(
      auth->check(host.loop(), "alice@example.org", "correct horse", soon(Duration::seconds(1))));
  ASSERT_FALSE(verdict.has_value());
  EXPECT_TRUE(verdict.error().is(rt::kPoolFull));
}

TEST_F(AuthTest, AFailedCommitKeepsTheOldPassword) {
  ASSERT_TRUE(set("alice@example.org", "correct horse").has_value());
  disk.fail_next(1);
  EXPECT_TRUE(set("alice@example.org", "battery staple").error().is(kv::kIo));
  EXPECT_EQ(check("alice@example.org", "correct horse"), PasswordVerdict::right);
}

TEST_F(AuthTest, AChangeOfUnknownFateActsOnceTheDiskAnswers) {
  disk.stall_for(Duration::seconds(40));
  const Status answer =
      run(auth->set_password("alice@example.org", "correct horse", soon(Duration::seconds(2))));
  ASSERT_FALSE(answer.has_value());
  EXPECT_TRUE(answer.error().is(kv::kUncertain));
  EXPECT_FALSE(auth->has_password("alice@example.org"));
  sim.run_for(Duration::minutes(3));
  EXPECT_EQ(check("alice@example.org", "correct horse"), PasswordVerdict::right);
}

rt::Task<void> keep(rt::Task<Status> task, std::optional<Status>& out) {
  out.emplace(co_await task);
}

TEST_F(AuthTest, TwoLoginsMayBeChangedAtOnce) {
  std::optional<Status> first;
  std::optional<Status> second;
  rt::Scope scope(host.loop(), "admins");
  scope.spawn("a", keep(auth->set_password("a@example.org", "correct horse", soon()), first));
  scope.spawn("b", keep(auth->set_password("b@example.org", "battery staple", soon()), second));
  sim.run_until([&] { return scope.active() == 0; }, Duration::seconds(10));
  EXPECT_TRUE(first.has_value() && first->has_value());
  EXPECT_TRUE(second.has_value() && second->has_value());
  EXPECT_EQ(check("a@example.org", "correct horse"), PasswordVerdict::right);
  EXPECT_EQ(check("b@example.org", "battery staple"), PasswordVerdict::right);
}

}  // namespace
}  // namespace ph::auth
