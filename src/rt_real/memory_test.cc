#include "rt_real/detail/memory.h"

#include <gtest/gtest.h>

#include <memory>

#include "rt_real/detail/files.h"
#include "rt_real/detail/real_test_world.h"

namespace ph::rt_real::detail {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// Keeps what was freed for a while, to see its use.
constexpr bool kFreedIsKept = true;
#else
constexpr bool kFreedIsKept = false;
#endif
#else
constexpr bool kFreedIsKept = false;
#endif

TEST(ProcessMemory, SeesWhatTheProcessTakesAndGivesBack) {
  ProcessMemory memory;
  const auto before = memory.use();
  ASSERT_TRUE(before.has_value());
  EXPECT_GT(before->resident_bytes, 100'000U);
  EXPECT_GT(before->machine_bytes, before->resident_bytes);
  constexpr size_t kTaken = size_t{64} << 20;
  auto taken = std::make_unique<std::string>(kTaken, 'x');
  EXPECT_GT(memory.use()->resident_bytes, before->resident_bytes + kTaken / 2);
  if (kFreedIsKept) GTEST_SKIP() << "the address sanitizer gives nothing back";
  taken.reset();
  memory.give_back();
  EXPECT_LT(memory.use()->resident_bytes, before->resident_bytes + kTaken / 2);
}

TEST(ProcessMemory, TheNarrowestControlGroupCounts) {
  const TemporaryFolder folder;
  PosixFiles files;
  const std::string root = folder / "cgroup";
  const auto limit = [&](const std::string& group, std::string_view text) {
    ASSERT_TRUE(files.make_folder(root + group, rt::FileAccess::owner_only).has_value());
    ASSERT_TRUE(
        files.replace(root + group + "/memory.max", text, rt::FileAccess::owner_only).has_value());
  };
  EXPECT_EQ(control_group_limit("0::/a/b/c\n", root), std::nullopt);
  limit("/a/b/c", "max\n");
  EXPECT_EQ(control_group_limit("0::/a/b/c\n", root), std::nullopt);
  limit("/a", "1000000\n");
  EXPECT_EQ(control_group_limit("0::/a/b/c\n", root), 1'000'000U);
  limit("/a/b", "2000000\n");
  EXPECT_EQ(control_group_limit("1:name=x:/z\n0::/a/b/c\n", root), 1'000'000U);
  limit("/a/b/c", "3000\n");
  EXPECT_EQ(control_group_limit("0::/a/b/c\n", root), 3000U);
  EXPECT_EQ(control_group_limit("0::/a/d\n", root), 1'000'000U);
  EXPECT_EQ(control_group_limit("", root), std::nullopt);
  limit("", "77\n");
  EXPECT_EQ(control_group_limit("0::/\n", root), 77U);
}

}  // namespace
}  // namespace ph::rt_real::detail
