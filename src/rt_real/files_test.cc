#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "rt_real/detail/files.h"
#include "rt_real/detail/real_test_world.h"

namespace ph::rt_real::detail {
namespace {

using rt::FileAccess;

mode_t mode_of(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

TEST(PosixFiles, ReplaceWritesTheWholeAndTheMode) {
  const TemporaryFolder folder;
  PosixFiles files;
  const std::string path = folder / "key";
  EXPECT_TRUE(files.read(path, 10).error().is(rt::kNotFound));
  ASSERT_TRUE(files.replace(path, "secret", FileAccess::owner_only).has_value());
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(files.read(path, 6).value(), "secret");
  EXPECT_TRUE(files.read(path, 5).error().is(rt::kIo));
  const std::string large(100'000, 'x');
  ASSERT_TRUE(files.replace(path, large, FileAccess::world_readable).has_value());
  EXPECT_EQ(mode_of(path), 0644U);
  EXPECT_EQ(files.read(path, 1 << 20).value(), large);
  EXPECT_FALSE(files.exists(path + ".new"));
}

TEST(PosixFiles, ACrashedReplacementIsInNobodysWay) {
  const TemporaryFolder folder;
  PosixFiles files;
  const std::string path = folder / "key";
  std::ofstream(path) << "old";
  std::ofstream(path + ".new") << "half of something longer than the next";
  EXPECT_EQ(files.read(path, 100).value(), "old");
  ASSERT_TRUE(files.replace(path, "new", FileAccess::owner_only).has_value());
  EXPECT_EQ(files.read(path, 100).value(), "new");
}

TEST(PosixFiles, ReplaceNeverFollowsALink) {
  const TemporaryFolder folder;
  PosixFiles files;
  std::ofstream(folder / "other") << "other";
  ASSERT_EQ(::symlink((folder / "other").c_str(), (folder / "key.new").c_str()), 0);
  EXPECT_FALSE(files.replace(folder / "key", "x", FileAccess::owner_only).has_value());
  EXPECT_EQ(files.read(folder / "other", 100).value(), "other");
}

TEST(PosixFiles, FoldersWithParentsAndAbsentFiles) {
  const TemporaryFolder folder;
  PosixFiles files;
  const std::string deep = folder / "a/b/c";
  ASSERT_TRUE(files.make_folder(deep, FileAccess::owner_only).has_value());
  ASSERT_TRUE(files.make_folder(deep + "/", FileAccess::owner_only).has_value());
  EXPECT_EQ(mode_of(deep), 0700U);
  ASSERT_TRUE(files.replace(deep + "/f", "x", FileAccess::owner_only).has_value());
  EXPECT_TRUE(files.make_folder(deep + "/f", FileAccess::owner_only).error().is(rt::kIo));
  EXPECT_TRUE(files.remove(deep + "/f").has_value());
  EXPECT_TRUE(files.remove(deep + "/f").has_value());
  EXPECT_FALSE(files.exists(deep + "/f"));
  EXPECT_TRUE(files.read(deep, 10).error().is(rt::kIo));
}

TEST(KernelEntropy, GivesDifferentOctets) {
  KernelEntropy entropy;
  EXPECT_EQ(entropy.bytes(0), "");
  const std::string a = entropy.bytes(300);
  EXPECT_EQ(a.size(), 300U);
  EXPECT_NE(a, entropy.bytes(300));
}

}  // namespace
}  // namespace ph::rt_real::detail
