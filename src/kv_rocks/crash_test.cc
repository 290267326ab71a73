// Kills a process that commits, again and again, and looks at what it left.
//
// The victim is this test program itself, told by its arguments to run only DISABLED_Victim in a
// given folder. It writes a line to its standard output for every commit that was answered.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>
#include <sstream>

#include "base/random.h"
#include "base/text.h"
#include "kv/errors.h"
#include "kv_rocks/test_world.h"

namespace ph::kv_rocks {
namespace {

using kv_conformance::blob_of;
using kv_conformance::octets;

constexpr int kBlobsKept = 10;
constexpr size_t kPartitions = 4;
constexpr std::string_view kFolderFlag = "--victim-folder=";

RocksOptions crash_options(const std::string& folder) {
  RocksOptions options = small_options();
  options.folder = folder;
  options.segment_bytes = 256 * 1024;
  options.inline_group_bytes_max = 8 * 1024;
  options.blob_cache_bytes = 0;
  return options;
}

std::string name_of(size_t partition) { return "p" + std::to_string(partition); }

std::string content_of(size_t partition, int number) {
  const size_t sizes[] = {3, 900, 5'000, 20'000, 70'000};
  const auto n = static_cast<size_t>(number);
  return octets(sizes[(n + partition) % 5] + partition, n * kPartitions + partition);
}

kv::Batch batch_of(size_t partition, int number) {
  kv::Batch batch;
  batch.put("k" + std::to_string(1'000'000 + number), std::to_string(number));
  batch.put("last", std::to_string(number));
  const std::string content = content_of(partition, number);
  batch.add_blob(kv::blob_id_of(content), blob_of(content), "t");
  if (number >= kBlobsKept) {
    batch.unlink_blob(kv::blob_id_of(content_of(partition, number - kBlobsKept)), "t");
  }
  return batch;
}

void say(size_t partition, int number, kv::Version version) {
  std::ostringstream line;
  line << partition << ' ' << number << ' ' << version.value << '\n';
  const std::string text = line.str();
  // One write: the parent never sees half a line, unless the victim dies in it.
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) _exit(1);
}

rt::Task<void> commit_forever(RocksWorld& world, kv::Partition& p, size_t partition, int next) {
  constexpr size_t kDepth = 6;
  std::deque<rt::Task<Result<kv::Version>>> on_their_way;
  int oldest = next;
  while (true) {
    on_their_way.push_back(p.commit(batch_of(partition, next++), world.options()));
    if (on_their_way.size() < kDepth) continue;
    const auto answer = co_await on_their_way.front();
    on_their_way.pop_front();
    if (!answer.has_value()) _exit(2);
    say(partition, oldest++, *answer);
  }
}

std::string argument(std::string_view flag) {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(file)), {});
  for (const std::string_view part : split(all, '\0')) {
    if (part.starts_with(flag)) return std::string(part.substr(flag.size()));
  }
  return {};
}

TEST(RocksCrash, DISABLED_Victim) {
  const std::string folder = argument(kFolderFlag);
  if (folder.empty()) GTEST_SKIP() << "only run by the tests below";
  RocksWorld world(crash_options(folder));
  std::vector<std::unique_ptr<kv::Partition>> partitions;
  std::vector<int> next;
  for (size_t i = 0; i < kPartitions; ++i) {
    auto p = world.open(name_of(i));
    const auto last = world.get(*p, "last");
    next.push_back(last.has_value() ? std::stoi(*last) + 1 : 0);
    p.reset();
    partitions.push_back(world.open(name_of(i), i % 2));
  }
  rt::Scope zero(world.runtime.loop(0), "victim");
  rt::Scope one(world.runtime.loop(1), "victim");
  for (size_t i = 0; i < kPartitions; ++i) {
    rt::Scope& scope = i % 2 == 0 ? zero : one;
    scope.spawn("writer", commit_forever(world, *partitions[i], i, next[i]));
  }
  world.run_side_by_side([] { return false; });
}

struct Told {
  int number = -1;
  uint64_t version = 0;
};
using AllTold = std::map<size_t, Told>;

// Starts a victim, reads what it says until `lines` lines have come, kills it, reads the rest.
void run_victim(const std::string& folder, size_t lines, AllTold& told) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const std::string flag = std::string(kFolderFlag) + folder;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execl("/proc/self/exe", "kv_rocks_test", "--gtest_filter=RocksCrash.DISABLED_Victim",
          "--gtest_also_run_disabled_tests", flag.c_str(), nullptr);
    _exit(3);
  }
  close(ends[1]);
  std::string rest;
  size_t seen = 0;
  bool killed = false;
  char buffer[4096];
  while (true) {
    const ssize_t count = read(ends[0], buffer, sizeof buffer);
    if (count <= 0) break;
    rest.append(buffer, static_cast<size_t>(count));
    for (size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
      std::istringstream line(rest.substr(0, end));
      rest.erase(0, end + 1);
      size_t partition = 0;
      Told one;
      if (!(line >> partition >> one.number >> one.version)) continue;  // GoogleTest's own words
      Told& known = told[partition];
      EXPECT_EQ(one.number, known.number + 1);
      EXPECT_GT(one.version, known.version);
      known = one;
      ++seen;
    }
    if (seen >= lines && !killed) {
      kill(child, SIGKILL);
      killed = true;
    }
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the victim ended by itself: " << status;
}

void check_partition(RocksWorld& world, size_t i, Told& told) {
  auto p = world.open(name_of(i));
  const auto last_text = world.get(*p, "last");
  const int last = last_text.has_value() ? std::stoi(*last_text) : -1;
  EXPECT_GE(last, told.number) << "an answered commit is gone";
  EXPECT_GE(p->version().value, told.version) << "a version went back";
  const auto entries = world.scan(*p, kv::prefix_range("k"));
  ASSERT_EQ(entries.size(), static_cast<size_t>(last + 1)) << "a commit is there in part";
  for (int n = 0; n <= last; ++n) {
    EXPECT_EQ(entries[static_cast<size_t>(n)].key, "k" + std::to_string(1'000'000 + n));
  }
  for (int n = std::max(0, last - 2 * kBlobsKept); n <= last + 2; ++n) {
    const std::string content = content_of(i, n);
    const auto read = world.read_blob(kv::blob_id_of(content));
    const bool wanted = n > last - kBlobsKept && n <= last;
    ASSERT_EQ(read.has_value(), wanted) << n << " of " << last;
    if (wanted) {
      EXPECT_TRUE(**read == content);
    } else {
      EXPECT_TRUE(read.error().is(kv::kNoBlob));
    }
  }
  // What was not answered but is there counts from now on.
  told.number = last;
  told.version = p->version().value;
}

TEST(RocksCrash, KilledAtRandomCommitsItKeepsWhatItAnswered) {
  const std::string folder = fresh_folder();
  Random random(20261121);
  AllTold told;
  for (int round = 0; round < 12; ++round) {
    run_victim(folder, 1 + random.below(300), told);
    RocksWorld world(crash_options(folder));
    for (size_t i = 0; i < kPartitions; ++i) check_partition(world, i, told[i]);
    if (HasFatalFailure()) break;
  }
  std::filesystem::remove_all(folder);
}

// A small disk of its own; needs root.
class SmallDisk {
 public:
  SmallDisk() : path_(fresh_folder()) {
    mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=48m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
    std::filesystem::remove_all(path_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  const std::string& path() const { return path_; }
  // Takes all the room that is left.
  void fill() {
    std::ofstream file(path_ + "/ballast", std::ios::binary);
    const std::string block(4096, 'x');
    while (file.write(block.data(), 4096).flush()) {
    }
  }
  void free() { std::filesystem::remove(path_ + "/ballast"); }

 private:
  std::string path_;
  bool mounted_ = false;
};

RocksOptions options_on(const SmallDisk& disk) {
  RocksOptions options = small_options();
  options.folder = disk.path() + "/store";
  options.write_buffer_bytes = 1024 * 1024;
  options.blob_cache_bytes = 0;
  return options;
}

kv::Batch blob_batch(int i) {
  const std::string content = octets(30'000, static_cast<uint64_t>(i));
  kv::Batch batch;
  batch.put("k" + std::to_string(1'000 + i), std::string(1000, 'v'));
  batch.add_blob(kv::blob_id_of(content), blob_of(content), "t");
  return batch;
}

TEST(RocksDiskFull, CommitsFailCleanlyAndGoOnWhenThereIsRoom) {
  SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small disk needs root";
  RocksOptions options = options_on(disk);
  options.floor_bytes = 8 * 1024 * 1024;
  RocksWorld world(options);
  auto p = world.open("p");
  std::vector<int> made;
  int i = 0;
  for (int round = 0; round < 3; ++round) {
    int refusals = 0;
    for (; i < 3000 * (round + 1) && refusals < 5; ++i) {
      if (i == 1000 * round + 50) disk.fill();
      const auto answer = world.commit(*p, blob_batch(i), p->version());
      if (answer.has_value()) {
        made.push_back(i);
      } else {
        ++refusals;
        EXPECT_TRUE(answer.error().is(kv::kDiskFull)) << answer.error().to_text();
      }
    }
    EXPECT_EQ(refusals, 5) << "the disk was never full";
    i = 1000 * (round + 1);
    disk.free();
    EXPECT_TRUE(world.commit(*p, kv_conformance::put_batch("a", "v"), p->version()).has_value());
  }
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(world.scan(*p, kv::prefix_range("k")).size(), made.size());
    for (const int n : made) {
      const auto read = world.read_blob(kv::blob_id_of(octets(30'000, static_cast<uint64_t>(n))));
      ASSERT_TRUE(read.has_value()) << n << read.error().to_text();
    }
    p.reset();
    world.reopen();
    p = world.open("p");
  }
}

struct Counts {
  int called = 0;
  int made = 0;
  int refused = 0;
  int answered() const { return made + refused; }
};

rt::Task<void> commit_one(kv::Partition& p, kv::CommitOptions options, Counts& counts, int number) {
  const std::string key = "k" + std::to_string(number);
  const auto answer = co_await p.commit(kv_conformance::put_batch(key, octets(8'000, 5)), options);
  ++(answer.has_value() ? counts.made : counts.refused);
  if (!answer.has_value()) {
    EXPECT_TRUE(answer.error().is(kv::kDiskFull)) << answer.error().to_text();
  }
}

// Somebody else takes all the room at once, so that RocksDB's own log finds none.
TEST(RocksDiskFull, ASuddenlyFullDiskIsWaitedFor) {
  SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small disk needs root";
  RocksWorld world(options_on(disk));
  auto p = world.open("p");
  Counts counts;
  {
    rt::Scope scope(world.runtime.loop(0), "test");
    const auto spawn = [&] {
      scope.spawn("writer", commit_one(*p, world.options(), counts, ++counts.called));
    };
    const auto all_answered = [&] { return counts.answered() == counts.called; };
    for (int round = 0; round < 3; ++round) {
      const int made = counts.made;
      for (int i = 0; i < 30; ++i) spawn();
      world.wait_until([&] { return counts.made == made + 30; });
      disk.fill();
      const int refused = counts.refused;
      world.wait_until([&] {
        if (counts.refused == refused) spawn();
        return counts.refused > refused;
      });
      disk.free();
      world.wait_until(all_answered);
      spawn();
      const int before = counts.refused;
      world.wait_until(all_answered);
      EXPECT_EQ(counts.refused, before) << "there is room again";
    }
  }
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(world.scan(*p, {}).size(), static_cast<size_t>(counts.made));
    p.reset();
    world.reopen();
    p = world.open("p");
  }
}

// Closing must not wait for room.
TEST(RocksDiskFull, AStoreClosesOnAFullDisk) {
  SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small disk needs root";
  RocksWorld world(options_on(disk));
  auto p = world.open("p");
  Counts counts;
  {
    rt::Scope scope(world.runtime.loop(0), "test");
    scope.spawn("writer", commit_one(*p, world.options(), counts, ++counts.called));
    world.wait_until([&] { return counts.made == 1; });
    disk.fill();
    world.wait_until([&] {
      if (counts.refused == 0) {
        scope.spawn("writer", commit_one(*p, world.options(), counts, ++counts.called));
      }
      return counts.refused > 0;
    });
  }
  p.reset();
  world.close();
  disk.free();
  world.reopen();
  p = world.open("p");
  EXPECT_GE(world.scan(*p, {}).size(), static_cast<size_t>(counts.made));
}

}  // namespace
}  // namespace ph::kv_rocks
