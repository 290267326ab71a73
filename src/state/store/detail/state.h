// What an open mailbox knows in memory: exactly what is durable, never more.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "state/store/detail/folder_index.h"
#include "state/store/detail/folder_tree.h"
#include "state/store/detail/keyword_table.h"
#include "state/store/detail/records.h"
#include "state/store/mailbox.h"

namespace ph::store {

// The deliveries committed since the mailbox was opened, as far back as kKept. Together with a look
// into the partition it answers exactly whether a hand-over id was delivered: see was_read_after().
class RecentHandOvers {
 public:
  static constexpr size_t kKept = 4096;
  const HandOverRecord* find(const std::string& id) const;
  void add(const std::string& id, const HandOverRecord& record);
  uint64_t count() const { return count_; }
  // Whether every delivery committed after the count was `then` is still in here.
  bool remembers_since(uint64_t then) const { return count_ - order_.size() <= then; }

 private:
  std::unordered_map<std::string, HandOverRecord> records_;
  std::deque<std::string> order_;
  uint64_t count_ = 0;
};

struct State {
  HeaderRecord header;
  FolderTree folders;
  KeywordTable keywords;
  std::set<std::string, std::less<>> subscriptions;
  std::map<SubmissionId, Submission> submissions;  // open ones
  std::map<FolderId, std::unique_ptr<FolderIndex>> indexes;
  RecentHandOvers hand_overs;
};

}  // namespace ph::store
