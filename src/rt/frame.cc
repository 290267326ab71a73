#include <array>
#include <cstdlib>
#include <new>

#include "rt/task.h"

// Frames are freed in the order they were made most of the time, and sizes repeat: a short free
// list per size class and thread saves the general allocator on the hottest path. Sanitizer builds
// go to the general allocator, so that they see a use after free.

namespace ph::rt {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PH_PLAIN_FRAMES 1
#endif
#endif

#ifndef PH_PLAIN_FRAMES
constexpr size_t kClassBytes = 64;
constexpr size_t kClasses = 32;        // frames up to 2 KiB are kept
constexpr size_t kKeptPerClass = 256;  // less than 9 MiB a thread

struct FreeFrame {
  FreeFrame* next;
};

struct FreeLists {
  std::array<FreeFrame*, kClasses> heads{};
  std::array<size_t, kClasses> counts{};
  ~FreeLists() {
    for (FreeFrame*& head : heads) {
      while (head != nullptr) {
        FreeFrame* const frame = head;
        head = frame->next;
        std::free(frame);
      }
    }
    counts.fill(kKeptPerClass);  // frames freed after this go to the allocator
  }
};

thread_local FreeLists lists;

size_t class_of(size_t size) { return (size + kClassBytes - 1) / kClassBytes - 1; }
#endif

void* from_allocator(size_t size) {
  void* const frame = std::malloc(size);
  if (frame == nullptr) throw std::bad_alloc();
  return frame;
}

}  // namespace

#ifdef PH_PLAIN_FRAMES
void* allocate_frame(size_t size) { return from_allocator(size); }
void free_frame(void* frame, size_t) noexcept { std::free(frame); }
#else
void* allocate_frame(size_t size) {
  const size_t c = class_of(size);
  if (c >= kClasses) return from_allocator(size);
  if (FreeFrame* const head = lists.heads[c]) {
    lists.heads[c] = head->next;
    --lists.counts[c];
    return head;
  }
  return from_allocator((c + 1) * kClassBytes);
}

void free_frame(void* frame, size_t size) noexcept {
  const size_t c = class_of(size);
  if (c >= kClasses || lists.counts[c] >= kKeptPerClass) {
    std::free(frame);
    return;
  }
  lists.heads[c] = new (frame) FreeFrame{lists.heads[c]};
  ++lists.counts[c];
}
#endif

}  // namespace ph::rt
