#include "state/directory/directory.h"

#include <gtest/gtest.h>

#include <utility>

#include "kv/errors.h"
#include "kv_mem/store.h"
#include "rt_sim/simulation.h"

namespace ph::directory {
namespace {

using Kind = Lookup::Kind;

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() : sim(11), host(sim.add_host({.name = "mx"})) { open(); }
  ~DirectoryTest() override {
    directory.reset();
    store.reset();
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }

  void open() {
    directory.reset();
    store = nullptr;
    store = std::make_unique<kv_mem::MemStore>(disk);
    auto made = run(Directory::open(*store, host.loop()));
    ASSERT_TRUE(made.has_value());
    directory = std::move(*made);
  }
  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out = sim.await(host.loop(), std::move(task));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  rt::Deadline soon(Duration d = Duration::seconds(10)) { return host.loop().in(d); }
  void add_domain(const std::string& name) {
    ASSERT_TRUE(run(directory->add_domain(name, soon())).has_value());
  }
  AccountId add(const std::string& address) {
    const auto made = run(directory->add_account(address, soon()));
    EXPECT_TRUE(made.has_value()) << (made.has_value() ? "" : made.error().to_text());
    return made.has_value() ? made->id : AccountId{};
  }
  void alias(const std::string& address, std::vector<std::string> targets) {
    ASSERT_TRUE(run(directory->add_alias({address, std::move(targets)}, soon())).has_value());
  }

  kv_mem::MemDisk disk;
  rt_sim::Simulation sim;
  rt_sim::Host& host;
  std::unique_ptr<kv_mem::MemStore> store;
  std::unique_ptr<Directory> directory;
};

TEST_F(DirectoryTest, FindsAccountsAliasesAndStrangers) {
  add_domain("Example.org");
  const AccountId alice = add("Alice@example.org");
  alias("info@example.org", {"alice@example.org", "x@elsewhere.example"});

  EXPECT_EQ(directory->find("ALICE@EXAMPLE.ORG").account, alice);
  EXPECT_EQ(directory->find("alice@example.org").kind, Kind::account);
  EXPECT_EQ(directory->find("info@example.org").kind, Kind::alias);
  EXPECT_EQ(directory->find("info@example.org").targets.size(), 2U);
  EXPECT_EQ(directory->find("bob@example.org").kind, Kind::no_such_address);
  EXPECT_EQ(directory->find("bob@example.net").kind, Kind::foreign_domain);
  EXPECT_EQ(directory->find("bob").kind, Kind::foreign_domain);
  EXPECT_EQ(directory->find("").kind, Kind::foreign_domain);
  EXPECT_EQ(directory->find("@example.org").kind, Kind::no_such_address);
  EXPECT_TRUE(directory->is_local_domain("EXAMPLE.org"));
  EXPECT_FALSE(directory->is_local_domain("org"));
  EXPECT_EQ(directory->account(alice)->address, "Alice@example.org");
  EXPECT_FALSE(directory->account(AccountId{99}).has_value());
  EXPECT_EQ(directory->account_of("aLICE@example.org")->id, alice);
}

TEST_F(DirectoryTest, ATagFindsItsAddressUnlessItHasOneOfItsOwn) {
  add_domain("example.org");
  const AccountId alice = add("alice@example.org");
  const AccountId shop = add("alice+shop@example.org");
  EXPECT_EQ(directory->find("alice+news@example.org").account, alice);
  EXPECT_EQ(directory->find("Alice+Shop@example.org").account, shop);
  EXPECT_EQ(directory->find("+news@example.org").kind, Kind::no_such_address);
  EXPECT_EQ(directory->find("bob+news@example.org").kind, Kind::no_such_address);
  // A login name is the account's own, never a tagged form of it.
  EXPECT_FALSE(directory->account_of("alice+news@example.org").has_value());
}

TEST_F(DirectoryTest, PostmasterIsAlwaysSomebody) {
  add_domain("example.org");
  add_domain("example.net");
  EXPECT_EQ(directory->find("postmaster").kind, Kind::no_such_address);
  const AccountId first = add("zoe@example.org");
  add("adam@example.org");
  EXPECT_EQ(directory->find("Postmaster").account, first);
  EXPECT_EQ(directory->find("PostMaster@example.net").account, first);
  EXPECT_EQ(directory->find("postmaster@elsewhere.example").kind, Kind::foreign_domain);
  const AccountId real = add("postmaster@example.net");
  EXPECT_EQ(directory->find("postmaster@example.net").account, real);
  EXPECT_EQ(directory->find("postmaster").account, real);
  EXPECT_EQ(directory->find("postmaster@example.org").account, first);
}

TEST_F(DirectoryTest, BadNamesAreRefusedWithAReason) {
  add_domain("example.org");
  for (const std::string name :
       {"", "alice", "@example.org", "a b@example.org", "a\"b@example.org", ".a@example.org",
        "a.@example.org", "a..b@example.org", "a@b@example.org", "a\n@example.org",
        "a\xFF@example.org", "<a>@example.org"}) {
    const auto made = run(directory->add_account(name, soon()));
    ASSERT_FALSE(made.has_value()) << name;
    EXPECT_TRUE(made.error().is(kBadName)) << name;
  }
  EXPECT_TRUE(run(directory->add_account("a@example.net", soon())).error().is(kNoSuchEntry));
  const std::string label(64, 'x');
  for (const std::string& name : {std::string(), std::string("a..b"), std::string("a b"), label,
                                  std::string("a@b"), std::string("x.")}) {
    EXPECT_TRUE(run(directory->add_domain(name, soon())).error().is(kBadName)) << name;
  }
  EXPECT_TRUE(run(directory->add_domain("EXAMPLE.ORG", soon())).error().is(kExists));
  add("alice@example.org");
  EXPECT_TRUE(run(directory->add_account("ALICE@example.org", soon())).error().is(kExists));
  const auto alias_with = [&](std::vector<std::string> targets) {
    return run(directory->add_alias({"x@example.org", std::move(targets)}, soon())).error();
  };
  EXPECT_TRUE(alias_with({}).is(kBadName));
  EXPECT_TRUE(alias_with({"nobody"}).is(kBadName));
  EXPECT_TRUE(alias_with(std::vector<std::string>(1001, "a@example.org")).is(kBadName));
  EXPECT_TRUE(run(directory->remove_alias("alice@example.org", soon())).error().is(kNoSuchEntry));
  EXPECT_TRUE(run(directory->remove_account("x@example.org", soon())).error().is(kNoSuchEntry));
}

TEST_F(DirectoryTest, ARestartKeepsEverythingAndNeverReusesAnId) {
  add_domain("example.org");
  const AccountId alice = add("alice@example.org");
  const AccountId bob = add("bob@example.org");
  alias("info@example.org", {"alice@example.org"});
  ASSERT_TRUE(run(directory->remove_account("BOB@example.org", soon())).has_value());
  open();
  EXPECT_EQ(directory->find("alice@example.org").account, alice);
  EXPECT_EQ(directory->find("bob@example.org").kind, Kind::no_such_address);
  EXPECT_EQ(directory->find("info@example.org").kind, Kind::alias);
  EXPECT_EQ(directory->domains(), std::vector<std::string>{"example.org"});
  EXPECT_EQ(directory->accounts().size(), 1U);
  EXPECT_EQ(directory->aliases().size(), 1U);
  const AccountId carol = add("bob@example.org");
  EXPECT_NE(carol, bob);
  EXPECT_NE(carol, alice);
  ASSERT_TRUE(run(directory->remove_alias("info@example.org", soon())).has_value());
  open();
  EXPECT_EQ(directory->find("info@example.org").kind, Kind::no_such_address);
  EXPECT_EQ(directory->damaged_records(), 0U);
}

rt::Task<void> keep(rt::Task<Result<Account>> task, std::optional<Result<Account>>& out) {
  out.emplace(co_await task);
}

TEST_F(DirectoryTest, OfTwoChangesAtOnceOneIsAConflict) {
  add_domain("example.org");
  std::optional<Result<Account>> first;
  std::optional<Result<Account>> second;
  rt::Scope scope(host.loop(), "admins");
  scope.spawn("first", keep(directory->add_account("a@example.org", soon()), first));
  scope.spawn("second", keep(directory->add_account("a@example.org", soon()), second));
  sim.run_until([&] { return scope.active() == 0; }, Duration::seconds(10));
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(second.has_value());
  EXPECT_NE(first->has_value(), second->has_value());
  const auto& lost = first->has_value() ? *second : *first;
  EXPECT_EQ(lost.error().disposition(), Disposition::conflict);
  EXPECT_TRUE(run(directory->add_account("a@example.org", soon())).error().is(kExists));
}

TEST_F(DirectoryTest, AFailedCommitChangesNothingAndTheNextOneWorks) {
  add_domain("example.org");
  disk.fail_next(1);
  EXPECT_TRUE(run(directory->add_account("a@example.org", soon())).error().is(kv::kIo));
  EXPECT_EQ(directory->find("a@example.org").kind, Kind::no_such_address);
  add("a@example.org");
  disk.set_space(kv_mem::Space::none);
  EXPECT_TRUE(run(directory->remove_account("a@example.org", soon())).error().is(kv::kDiskFull));
  EXPECT_EQ(directory->find("a@example.org").kind, Kind::account);
}

TEST_F(DirectoryTest, AChangeOfUnknownFateShowsUpOnceTheDiskAnswers) {
  add_domain("example.org");
  disk.stall_for(Duration::seconds(20));
  const auto made = run(directory->add_account("a@example.org", soon(Duration::seconds(1))));
  ASSERT_FALSE(made.has_value());
  EXPECT_TRUE(made.error().is(kv::kUncertain));
  EXPECT_EQ(directory->find("a@example.org").kind, Kind::no_such_address);
  sim.run_for(Duration::minutes(2));
  EXPECT_EQ(directory->find("a@example.org").kind, Kind::account);
  EXPECT_NE(add("b@example.org"), directory->find("a@example.org").account);
}

TEST_F(DirectoryTest, AKilledChangeStopsNoLaterOne) {
  add_domain("example.org");
  {
    std::optional<Result<Account>> answer;
    rt::Scope scope(host.loop(), "admin");
    scope.spawn("add", keep(directory->add_account("a@example.org", soon()), answer));
    disk.stall_for(Duration::seconds(1));
    sim.run_for(Duration::milliseconds(100));
    ASSERT_FALSE(answer.has_value());
  }
  // The commit was on its way when its caller died; the next change sees what became of it.
  EXPECT_TRUE(run(directory->add_account("a@example.org", soon())).error().is(kExists));
  EXPECT_NE(add("b@example.org"), directory->find("a@example.org").account);
}

rt::Task<void> put_raw(kv::Partition& partition, std::string key, rt::Deadline deadline) {
  kv::Batch batch;
  batch.put(std::move(key), "\x01");
  const auto answer = co_await partition.commit(std::move(batch), {std::nullopt, deadline});
  EXPECT_TRUE(answer.has_value());
}

TEST_F(DirectoryTest, ADamagedRecordIsCountedAndHurtsNobodyElse) {
  add_domain("example.org");
  const AccountId alice = add("alice@example.org");
  directory.reset();
  {
    auto raw = store->open(host.loop(), "directory");
    ASSERT_TRUE(raw.has_value());
    rt::Scope scope(host.loop(), "vandal");
    scope.spawn("account", put_raw(**raw, "a/bob@example.org", soon()));
    scope.spawn("alias", put_raw(**raw, "l/info@example.org", soon()));
    sim.run_until([&] { return scope.active() == 0; }, Duration::seconds(10));
  }
  open();
  EXPECT_EQ(directory->damaged_records(), 2U);
  EXPECT_EQ(directory->find("alice@example.org").account, alice);
}

}  // namespace
}  // namespace ph::directory
