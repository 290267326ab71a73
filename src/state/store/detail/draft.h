// A Draft is the next commit while it is put together: changes laid over the State, which stays as
// it is until they are durable.
//
// Each change of a caller is applied in turn and sees those before it. A change checks everything
// first and fails without a trace, or succeeds. finish() writes the records that many changes share
// (header, counters, rows) once; merge() moves what was committed into the State.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kv/store.h"
#include "state/store/detail/state.h"

namespace ph::store {

// A message on its way into a folder.
struct Arrival {
  Row row;  // without uid, created, saved: given by place()
  ContentRecord content;
  kv::BlobBytes bytes;  // absent: the blob is there already
};

class Draft {
 public:
  Draft(const State& base, Time now) : base_(base), header_(base.header), now_(now) {}

  Time now() const { return now_; }
  const HeaderRecord& header() const { return header_; }
  // The sequence number of the change that is being applied: taken once everything is checked.
  uint64_t step() { return ++header_.seq; }
  uint64_t take_number() { return header_.next_number++; }
  // Whether `count` more numbers of each kind are left.
  bool has_numbers(uint64_t count) const;
  uint32_t take_uid_validity();

  // Folders. Names are looked up in the base, so changes to them are made alone in a commit.
  const FolderTree& tree() const { return base_.folders; }
  const FolderState* folder(FolderId id) const;
  const FolderState* folder_with(Role role) const;
  FolderId add_folder(FolderId parent, std::string_view leaf, Role role, FolderKind kind,
                      uint64_t seq);
  void set_folder(const FolderRecord& record, uint64_t seq);
  void forget_folder(FolderId id);
  void note_gone_folder(FolderId id, uint64_t seq);

  // Rows. The folder's index must be loaded where an old row is looked at.
  std::optional<Row> row(FolderId folder, Uid uid) const;
  Uid place(FolderId folder, Row row, uint64_t seq);  // under the next UID
  void change(FolderId folder, const Row& row);
  void remove(FolderId folder, const Row& row, const TombstoneRecord& how, uint64_t seq);

  // The three together for a new message: content, row, blob. Gives it its number.
  std::pair<Uid, MessageId> add_message(FolderId folder, Arrival arrival, uint64_t seq);
  void erase_content(MessageId id, const std::optional<ContentRecord>& content);

  // All or nothing; kTooManyKeywords, kBadKeyword.
  Result<KeywordBits> keywords(const std::vector<std::string>& names);
  // Those that are known; others are passed over.
  KeywordBits known_keywords(const std::vector<std::string>& names) const;

  const HandOverRecord* hand_over(const std::string& id) const;
  // Whether hand_over() knows every delivery since RecentHandOvers::count() was `then`.
  bool remembers_hand_overs_since(uint64_t then) const {
    return base_.hand_overs.remembers_since(then);
  }
  void note_hand_over(const std::string& id, const HandOverRecord& record);
  void set_subscribed(const std::string& name);
  void unset_subscribed(const std::string& name);
  const Submission* submission(SubmissionId id) const;
  void put_submission(const Submission& submission);  // open or ended, by its state
  void raise_tombstone_floor(uint64_t seq);
  void note_swept() { header_.swept = now_; }
  kv::Batch& batch() { return batch_; }

  // Whether there is anything to commit.
  bool empty() const;
  size_t weight() const { return batch_.bytes() + rows_ * 96; }
  kv::Batch finish();
  uint64_t commits() const { return header_.commits; }
  // Into the State of which this is a draft; folders whose views should look are notified.
  void merge(State& state) const;

 private:
  struct Delta {
    int64_t messages = 0;
    int64_t unseen = 0;
    int64_t deleted = 0;
    int64_t size_bytes = 0;
  };
  struct FolderDraft {
    std::optional<FolderRecord> record;  // to be written
    bool gone = false;
    Uid uid_next = 1;
    uint64_t highest = 0;
    Delta delta;
    std::map<Uid, std::optional<Row>> rows;
    std::vector<FolderIndex::Event> events;
    FolderState now;  // base and draft together
  };
  FolderDraft& draft_of(FolderId id);
  static void count(Delta& delta, const Row& row, int sign);
  void lay(FolderDraft& draft, const Row& row);
  static void apply(const FolderDraft& draft, CounterRecord& counters);

  const State& base_;
  HeaderRecord header_;
  Time now_;
  kv::Batch batch_;
  size_t rows_ = 0;
  bool touched_ = false;  // something besides folders' rows
  std::map<FolderId, FolderDraft> folders_;
  std::vector<std::string> new_keywords_;
  std::map<std::string, HandOverRecord> hand_overs_;
  std::map<std::string, bool> subscriptions_;
  std::map<SubmissionId, Submission> submissions_;
};

}  // namespace ph::store
