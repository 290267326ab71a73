// One folder in memory: an Entry of 60 octets for each message, in rising order of UIDs, the recent
// events that views ask for, and the views themselves.
//
// Filled from the partition by a loader while changes go on: those are remembered and laid over
// what was loaded, which is safe because each says what a row is now, not how it changed.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "rt/loop.h"
#include "state/store/detail/folder_tree.h"
#include "state/store/detail/keyword_table.h"
#include "state/store/detail/records.h"
#include "state/store/message.h"
#include "state/store/view.h"

namespace ph::store {

// A number of 48 bits, aligned to 2 octets.
class U48 {
 public:
  U48() = default;
  explicit U48(uint64_t value)
      : parts_{static_cast<uint16_t>(value), static_cast<uint16_t>(value >> 16),
               static_cast<uint16_t>(value >> 32)} {}
  uint64_t value() const {
    return parts_[0] | (uint64_t{parts_[1]} << 16) | (uint64_t{parts_[2]} << 32);
  }

 private:
  std::array<uint16_t, 3> parts_{};
};

// Seconds from -2^47 on, in 48 bits.
class S48 {
 public:
  S48() = default;
  explicit S48(int64_t value);  // the nearest that fits
  int64_t value() const;

 private:
  U48 biased_;
};

struct Entry {
  Uid uid = 0;
  uint32_t keywords = 0;  // the first 32; others are beside the entries
  uint16_t bits = 0;
  U48 id;
  U48 created;
  U48 content_seq;
  U48 flags_seq;
  U48 read_seq;
  U48 size_bytes;
  S48 internal_date_s;
  S48 saved_s;

  uint64_t modseq() const;
};
static_assert(sizeof(Entry) <= 60);

class FolderIndex {
 public:
  FolderIndex(FolderTree& folders, const KeywordTable& keywords, const HeaderRecord& header,
              FolderId folder)
      : folders_(folders), keywords_(keywords), header_(header), folder_(folder) {}
  FolderIndex(const FolderIndex&) = delete;
  FolderIndex& operator=(const FolderIndex&) = delete;

  FolderId folder() const { return folder_; }

  // Loading: rows in rising order, then finish(), which also sets the folder's counts right.
  bool loaded() const { return loaded_; }
  void load(const Row& row);
  void finish_loading();

  // Lays one durable commit over the index. `rows` rise; an absent row left the folder.
  struct Event {
    uint64_t seq = 0;
    Uid uid = 0;
    uint64_t created = 0;  // when the message had come into the folder
  };
  using Rows = std::vector<std::pair<Uid, std::optional<Row>>>;
  void merge(const Rows& rows, const std::vector<Event>& events);
  void notify();

  size_t size() const { return entries_.size(); }
  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(Uid uid) const;
  std::optional<Row> row(Uid uid) const;
  Row row(const Entry& entry) const;
  std::optional<MessageInfo> message(Uid uid) const;
  MessageInfo message(const Entry& entry) const;
  uint64_t seq() const { return header_.seq; }
  // The last change of this folder; at least 1.
  uint64_t highest() const;
  bool exists() const;

  // added and changed after `since`; vanished too if the events go back that far, else false.
  bool changes_since(uint64_t since, Changes& out) const;
  UidMap uid_map() const;

  std::unique_ptr<FolderView> open_view(rt::Loop& loop, Access access);
  Uid take_recent();
  void attach(FolderView& view) { views_.push_back(&view); }
  void detach(FolderView& view);
  size_t views() const { return views_.size(); }

  void pin() { ++pins_; }
  void unpin();
  bool in_use() const { return pins_ > 0 || !views_.empty(); }
  Instant idle_since;
  size_t memory_bytes() const;

 private:
  void pack(const Row& row, Entry& entry);
  void merge_into_entries(const Rows& rows);
  void changes_from_entries(uint64_t since, Changes& out) const;

  FolderTree& folders_;
  const KeywordTable& keywords_;
  const HeaderRecord& header_;
  FolderId folder_;
  bool loaded_ = false;
  std::vector<Entry> entries_;
  std::unordered_map<Uid, KeywordBits> more_keywords_;
  std::vector<Rows> meanwhile_;  // commits since loading began
  std::deque<Event> events_;     // after events_floor_
  uint64_t events_floor_ = 0;
  std::vector<FolderView*> views_;
  size_t pins_ = 0;
};

// Keeps an index in memory.
class IndexPin {
 public:
  IndexPin() = default;
  explicit IndexPin(FolderIndex& index) : index_(&index) { index.pin(); }
  IndexPin(IndexPin&& other) noexcept : index_(std::exchange(other.index_, nullptr)) {}
  IndexPin& operator=(IndexPin&& other) noexcept {
    std::swap(index_, other.index_);
    return *this;
  }
  ~IndexPin() {
    if (index_ != nullptr) index_->unpin();
  }
  FolderIndex& operator*() const { return *index_; }
  FolderIndex* operator->() const { return index_; }

 private:
  FolderIndex* index_ = nullptr;
};

}  // namespace ph::store
