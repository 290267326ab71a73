// The mailbox against a simple model, over many seeds: deliveries, appends, flags, copies, moves
// and expunges at once and one after another, with crashes at random commits, and views that
// follow.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "state/store/detail/store_test_world.h"

namespace ph::store {
namespace {

struct ModelMessage {
  uint64_t id = 0;
  uint16_t bits = 0;
  bool operator==(const ModelMessage&) const = default;
};
using ModelFolder = std::map<Uid, ModelMessage>;
using Model = std::map<FolderId, ModelFolder>;

Model seen(StoreWorld& world) {
  Model out;
  for (const Folder& f : world.box().folders()) {
    ModelFolder& folder = out[f.id];
    auto view =
        world.ask([&] { return world.box().open_view(f.id, Access::read_only, world.soon()); });
    for (const Uid uid : (*view)->uids().between(1, UINT32_MAX)) {
      const auto m = (*view)->message(uid);
      folder[uid] = {m->id.value, m->flags.bits};
    }
    const FolderStatus status = *world.box().status(f.id);
    EXPECT_EQ(status.messages, folder.size());
    EXPECT_TRUE(folder.empty() || status.uid_next > folder.rbegin()->first);
    const auto unseen = std::ranges::count_if(folder, [](const auto& item) {
      return (item.second.bits & static_cast<uint16_t>(Flag::seen)) == 0;
    });
    EXPECT_EQ(status.unseen, static_cast<uint64_t>(unseen));
  }
  return out;
}

// What one folder must answer to changes_since, from two states of the model.
void expect_changes(const ModelFolder& before, const ModelFolder& after, const Changes& got) {
  std::vector<Uid> vanished;
  for (const auto& [uid, m] : before) {
    if (!after.contains(uid)) vanished.push_back(uid);
  }
  std::vector<Uid> added;
  for (const auto& [uid, m] : after) {
    if (!before.contains(uid)) added.push_back(uid);
  }
  EXPECT_EQ(got.vanished, vanished);
  EXPECT_EQ(got.added, added);
  for (const auto& [uid, m] : after) {
    const auto old = before.find(uid);
    if (old == before.end() || old->second == m) continue;
    EXPECT_TRUE(std::ranges::binary_search(got.changed, uid)) << "uid " << uid;
  }
  for (const Uid uid : got.changed) EXPECT_TRUE(before.contains(uid) && after.contains(uid));
}

class Driver {
 public:
  Driver(StoreWorld& world, Random& random) : world_(world), random_(random) {
    blob_ = world.blob(kPlainMessage);
    folders_ = {world.inbox(), world.folder("One"), world.folder("Two")};
    for (const FolderId f : folders_) model_[f];
  }

  // One change, made and told to the model.
  void step() {
    const FolderId folder = any_folder();
    switch (random_.below(7)) {
      case 0: deliver(); break;
      case 1: append(folder); break;
      case 2: flag(folder, FlagChange::Kind::add); break;
      case 3: flag(folder, FlagChange::Kind::remove); break;
      case 4: copy(folder, any_folder()); break;
      case 5: move(folder, any_folder()); break;
      default: expunge(folder); break;
    }
  }
  const Model& model() const { return model_; }
  const std::vector<FolderId>& folders() const { return folders_; }

 private:
  FolderId any_folder() { return folders_[random_.below(folders_.size())]; }
  std::vector<Uid> some_of(FolderId folder) {
    std::vector<Uid> out;
    for (const auto& [uid, m] : model_[folder]) {
      if (random_.chance(25)) out.push_back(uid);
    }
    return out;
  }
  void deliver() {
    // Every third is one that was there already.
    const uint64_t number = random_.chance(33) ? random_.below(handed_over_ + 1) : ++handed_over_;
    const std::string handover = "h" + std::to_string(number);
    const auto done = world_.ask(
        [&] { return world_.box().deliver(delivery_of(handover, blob_, 9), world_.soon()); });
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->kind == Delivered::Kind::now, delivered_.insert(number).second);
    if (done->kind == Delivered::Kind::now) {
      put(done->folder, done->uid, {done->message.value, 0});
    }
  }
  void append(FolderId folder) {
    const auto done = world_.append(folder, "\r\nmessage " + std::to_string(random_.below(3)));
    ASSERT_TRUE(done.has_value());
    put(folder, done->uids[0], {done->messages[0].value, 0});
  }
  void flag(FolderId folder, FlagChange::Kind kind) {
    const std::vector<Uid> uids = some_of(folder);
    FlagChange change{kind, {}};
    change.flags.bits = static_cast<uint16_t>(random_.below(16));
    const auto done = world_.ask([&] {
      return world_.box().store_flags(folder, uids, change, std::nullopt, world_.soon());
    });
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->changed, uids);
    for (const Uid uid : uids) {
      uint16_t& bits = model_[folder][uid].bits;
      bits = static_cast<uint16_t>(kind == FlagChange::Kind::add ? bits | change.flags.bits
                                                                 : bits & ~change.flags.bits);
    }
  }
  void copy(FolderId from, FolderId to) {
    const auto done = world_.ask(
        [&, uids = some_of(from)] { return world_.box().copy(from, uids, to, world_.soon()); });
    ASSERT_TRUE(done.has_value());
    for (size_t i = 0; i < done->to.size(); ++i) {
      const auto copy = world_.message(to, done->to[i]);
      put(to, done->to[i], {copy->id.value, model_[from].at(done->from[i]).bits});
    }
  }
  void move(FolderId from, FolderId to) {
    const std::vector<Uid> uids = some_of(from);
    const auto done = world_.ask([&] { return world_.box().move(from, uids, to, world_.soon()); });
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->from, uids);
    for (size_t i = 0; i < uids.size(); ++i) {
      const ModelMessage m = model_[from].at(uids[i]);
      model_[from].erase(uids[i]);
      put(to, done->to[i], m);
    }
  }
  void expunge(FolderId folder) {
    const std::vector<Uid> uids = some_of(folder);
    const auto done = world_.ask(
        [&] { return world_.box().expunge(folder, uids, Expunge::only_deleted, world_.soon()); });
    ASSERT_TRUE(done.has_value());
    for (const Uid uid : *done) {
      EXPECT_NE(model_[folder].at(uid).bits & static_cast<uint16_t>(Flag::deleted), 0);
      model_[folder].erase(uid);
    }
  }
  void put(FolderId folder, Uid uid, ModelMessage m) {
    EXPECT_GT(uid, largest_[folder]) << "a UID was used again";
    largest_[folder] = uid;
    model_[folder][uid] = m;
  }

  StoreWorld& world_;
  Random& random_;
  kv::BlobId blob_;
  std::vector<FolderId> folders_;
  Model model_;
  std::map<FolderId, Uid> largest_;
  std::set<uint64_t> delivered_;
  uint64_t handed_over_ = 0;
};

void expect_same(StoreWorld& world, const Driver& driver) {
  const Model now = seen(world);
  for (const auto& [folder, messages] : driver.model()) EXPECT_EQ(now.at(folder), messages);
}

void run_seed(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  StoreWorld world(seed);
  Random random(seed);
  Driver driver(world, random);
  struct Point {
    Seq seq;
    Model model;
  };
  std::vector<Point> points{{world.box().seq(), driver.model()}};
  std::map<FolderId, std::unique_ptr<FolderView>> views;
  std::map<FolderId, ModelFolder> views_saw;
  for (int i = 0; i < 60; ++i) {
    const Seq before = world.box().seq();
    driver.step();
    if (testing::Test::HasFatalFailure()) return;
    EXPECT_GE(world.box().seq(), before);
    if (random.chance(20)) points.push_back({world.box().seq(), driver.model()});
    if (random.chance(5)) {
      views.clear();
      world.restart();
      expect_same(world, driver);
    }
    const FolderId folder = driver.folders()[random.below(3)];
    if (!views.contains(folder)) {
      views[folder] = std::move(*world.ask(
          [&] { return world.box().open_view(folder, Access::read_only, world.soon()); }));
    } else if (random.chance(30)) {
      const Changes changes = views[folder]->poll(Vanished::report);
      expect_changes(views_saw[folder], driver.model().at(folder), changes);
    } else {
      continue;
    }
    views_saw[folder] = driver.model().at(folder);
    EXPECT_EQ(views[folder]->uids().size(), views_saw[folder].size());
  }
  expect_same(world, driver);
  for (const Point& point : points) {
    for (const FolderId folder : driver.folders()) {
      const auto changes =
          world.ask([&] { return world.box().changes_since(folder, point.seq, world.soon()); });
      ASSERT_TRUE(changes.has_value());
      expect_changes(point.model.at(folder), driver.model().at(folder), *changes);
    }
  }
  views.clear();
}

TEST(MailboxModel, AgreesOverManySeeds) {
  for (uint64_t seed = 1; seed <= 300 && !testing::Test::HasFailure(); ++seed) run_seed(seed);
}

// Many callers at once, the power cut at a random commit. Each caller notes what it was told.
struct Told {
  std::map<std::string, MessageId> delivered;
  std::set<uint64_t> expunged;
  std::map<uint64_t, uint16_t> flagged;  // bits that were added
  uint64_t seq = 0;
  Uid uid = 0;
};

rt::Task<void> deliver_some(StoreWorld& world, Mailbox& box, kv::BlobId blob, int first,
                            Told& told) {
  for (int i = first; i < first + 12; ++i) {
    const std::string handover = "c" + std::to_string(i);
    const auto done = co_await box.deliver(delivery_of(handover, blob, 9), world.soon());
    if (!done.has_value()) continue;
    told.delivered[handover] = done->message;
    told.uid = std::max(told.uid, done->uid);
    told.seq = std::max(told.seq, box.seq().value);
  }
}

rt::Task<void> change_some(StoreWorld& world, Mailbox& box, uint64_t seed, Told& told) {
  Random random(seed);
  const FolderId inbox = box.folder_with(Role::inbox)->id;
  for (int i = 0; i < 12; ++i) {
    const auto view = co_await box.open_view(inbox, Access::read_only, world.soon());
    if (!view.has_value()) continue;
    const size_t size = (*view)->uids().size();
    if (size == 0) continue;
    const std::vector<Uid> uids{(*view)->uids().at(1 + random.below(size))};
    const auto info = (*view)->message(uids[0]);
    if (!info.has_value()) continue;
    if (random.chance(30)) {
      const auto done = co_await box.expunge(inbox, uids, Expunge::whatever_flags, world.soon());
      if (done.has_value() && !done->empty()) told.expunged.insert(info->id.value);
    } else {
      FlagChange add{FlagChange::Kind::add, {}};
      add.flags.bits = static_cast<uint16_t>(1U << random.below(4));
      const auto done = co_await box.store_flags(inbox, uids, add, std::nullopt, world.soon());
      if (done.has_value() && !done->changed.empty()) {
        uint16_t& bits = told.flagged[info->id.value];
        bits = static_cast<uint16_t>(bits | add.flags.bits);
      }
    }
    told.seq = std::max(told.seq, box.seq().value);
  }
}

void crash_seed(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  StoreWorld world(seed);
  Random random(seed * 7919);
  const kv::BlobId blob = world.blob(kPlainMessage);
  Mailbox& box = world.box();
  Told told;
  bool crashed = false;
  const uint64_t at = world.disk.commits() + 1 + random.below(25);
  world.disk.set_hook([&](const kv_mem::CrashPoint& point) {
    if (crashed || point.commit < at) return;
    if (random.chance(50)) return;
    crashed = true;
    world.disk.crash(random);
  });
  {
    rt::Scope scope(box.home(), "callers");
    for (int i = 0; i < 4; ++i) {
      scope.spawn("deliver", deliver_some(world, box, blob, i * 8, told));
      scope.spawn("change", change_some(world, box, seed + static_cast<uint64_t>(i), told));
    }
    world.runtime.run_until([&] { return crashed || scope.active() == 0; });
  }
  world.disk.set_hook(nullptr);
  world.restart();
  const FolderId inbox = world.inbox();
  EXPECT_GE(world.box().seq().value, told.seq);
  EXPECT_GE(world.box().status(inbox)->uid_next, told.uid + 1);
  const ModelFolder now = seen(world).at(inbox);
  std::map<uint64_t, uint16_t> by_id;
  for (const auto& [uid, m] : now) EXPECT_TRUE(by_id.emplace(m.id, m.bits).second);
  for (const uint64_t id : told.expunged) EXPECT_FALSE(by_id.contains(id));
  for (const auto& [id, bits] : told.flagged) {
    if (by_id.contains(id)) EXPECT_EQ(by_id[id] & bits, bits);
  }
  // Everything that was answered is known, and asking again makes nothing new.
  const size_t before = now.size();
  for (const auto& [handover, message] : told.delivered) {
    const auto again = world.ask([&, id = handover] {
      return world.box().deliver(delivery_of(id, world.blob(kPlainMessage), 9), world.soon());
    });
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->kind, Delivered::Kind::already);
    EXPECT_EQ(again->message, message);
    const bool gone = told.expunged.contains(message.value);
    if (gone) EXPECT_FALSE(by_id.contains(message.value));
  }
  EXPECT_EQ(world.uids(inbox).size(), before);
  EXPECT_EQ(world.box().damage().size(), 0U);
}

TEST(MailboxModel, NothingAnsweredIsLostAtAnyCrash) {
  for (uint64_t seed = 1; seed <= 400 && !testing::Test::HasFailure(); ++seed) crash_seed(seed);
}

}  // namespace
}  // namespace ph::store
