// Strong ids: a 64-bit number that cannot be mistaken for another kind of number.
//
//   using FolderId = ph::StrongId<struct FolderIdTag>;
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace ph {

template <class Tag>
struct StrongId {
  uint64_t value = 0;

  constexpr auto operator<=>(const StrongId&) const = default;
  constexpr bool is_set() const { return value != 0; }  // 0 is never given out
};

// A number of octets.
struct ByteCount {
  uint64_t value = 0;

  static constexpr ByteCount kib(uint64_t n) { return {n * 1024}; }
  static constexpr ByteCount mib(uint64_t n) { return {n * 1024 * 1024}; }
  constexpr auto operator<=>(const ByteCount&) const = default;
};

}  // namespace ph

template <class Tag>
struct std::hash<ph::StrongId<Tag>> {
  size_t operator()(const ph::StrongId<Tag>& id) const noexcept {
    return std::hash<uint64_t>()(id.value * 0x9E3779B97F4A7C15ULL);
  }
};
