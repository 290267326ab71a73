// See draft.h. Invariants: a change either fails before it touched the draft or succeeds; numbers,
// sequences and UIDs are only taken from the header and counters that the same commit writes back,
// so none is given out twice; counts are kept as differences, so that what a loading index finds
// out about the base meanwhile is not overwritten.
#include "state/store/detail/draft.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

bool has(const Row& row, Flag flag) { return (row.bits & static_cast<uint16_t>(flag)) != 0; }

uint64_t plus(uint64_t value, int64_t delta) {
  if (delta < 0 && value < static_cast<uint64_t>(-delta)) return 0;
  return value + static_cast<uint64_t>(delta);
}

}  // namespace

const HandOverRecord* RecentHandOvers::find(const std::string& id) const {
  const auto at = records_.find(id);
  return at == records_.end() ? nullptr : &at->second;
}

void RecentHandOvers::add(const std::string& id, const HandOverRecord& record) {
  ++count_;
  records_[id] = record;
  order_.push_back(id);
  if (order_.size() <= kKept) return;
  records_.erase(order_.front());
  order_.pop_front();
}

bool Draft::has_numbers(uint64_t count) const {
  return header_.seq + count <= kNumberMax && header_.next_number + count <= kNumberMax;
}

uint32_t Draft::take_uid_validity() {
  const int64_t s = now_.unix_s();
  const uint32_t by_clock =
      s > 0 ? static_cast<uint32_t>(std::min<int64_t>(s, UINT32_MAX / 2)) : 1U;
  header_.uid_validity = std::max(header_.uid_validity + 1, by_clock);
  return header_.uid_validity;
}

Draft::FolderDraft& Draft::draft_of(FolderId id) {
  const auto at = folders_.find(id);
  if (at != folders_.end()) return at->second;
  FolderDraft& out = folders_[id];
  if (const FolderState* folder = base_.folders.find(id)) out.now = *folder;
  out.uid_next = out.now.counters.uid_next;
  out.highest = out.now.counters.highest;
  return out;
}

const FolderState* Draft::folder(FolderId id) const {
  const auto at = folders_.find(id);
  if (at == folders_.end()) return base_.folders.find(id);
  return at->second.gone ? nullptr : &at->second.now;
}

const FolderState* Draft::folder_with(Role role) const {
  for (const auto& [id, draft] : folders_) {
    if (draft.gone || draft.now.record.kind == FolderKind::leaving) continue;
    if (draft.now.record.role == role) return &draft.now;
  }
  const FolderState* found = base_.folders.with(role);
  return found == nullptr || folders_.contains(found->record.id) ? nullptr : found;
}

FolderId Draft::add_folder(FolderId parent, std::string_view leaf, Role role, FolderKind kind,
                           uint64_t seq) {
  FolderRecord record;
  record.id.value = take_number();
  record.parent = parent;
  record.leaf = canonical_leaf(parent, leaf);
  record.role = role;
  record.kind = kind;
  record.uid_validity = take_uid_validity();
  record.created = now_;
  set_folder(record, seq);
  return record.id;
}

void Draft::set_folder(const FolderRecord& record, uint64_t seq) {
  FolderDraft& draft = draft_of(record.id);
  draft.record = record;
  draft.record->changed = seq;
  draft.now.record = *draft.record;
  if (draft.highest == 0) draft.highest = seq;
}

void Draft::forget_folder(FolderId id) {
  draft_of(id).gone = true;
  batch_.erase(folder_key(id));
  batch_.erase(counter_key(id));
}

void Draft::note_gone_folder(FolderId id, uint64_t seq) {
  const std::string key = gone_folder_key(Seq{seq}, id);
  batch_.put(key, encode_time(now_, key));
}

std::optional<Row> Draft::row(FolderId folder, Uid uid) const {
  const auto draft = folders_.find(folder);
  if (draft != folders_.end()) {
    const auto at = draft->second.rows.find(uid);
    if (at != draft->second.rows.end()) return at->second;
  }
  const auto index = base_.indexes.find(folder);
  if (index == base_.indexes.end()) return std::nullopt;
  PH_CHECK(index->second->loaded());
  return index->second->row(uid);
}

void Draft::count(Delta& delta, const Row& row, int sign) {
  delta.messages += sign;
  if (!has(row, Flag::seen)) delta.unseen += sign;
  if (has(row, Flag::deleted)) delta.deleted += sign;
  delta.size_bytes += sign * static_cast<int64_t>(row.size_bytes);
}

void Draft::lay(FolderDraft& draft, const Row& row) {
  draft.rows[row.uid] = row;
  draft.highest = std::max(draft.highest, row.modseq());
  draft.events.push_back({row.modseq(), row.uid, row.created});
  ++rows_;
}

Uid Draft::place(FolderId folder, Row row, uint64_t seq) {
  FolderDraft& draft = draft_of(folder);
  PH_CHECK(draft.uid_next != UINT32_MAX);
  row.uid = draft.uid_next++;
  draft.now.counters.uid_next = draft.uid_next;
  row.created = row.content_seq = row.flags_seq = row.read_seq = seq;
  row.saved_s = now_.unix_s();
  count(draft.delta, row, 1);
  lay(draft, row);
  const std::string key = placement_key(row.id);
  batch_.put(key, encode(PlacementRecord{folder, row.uid}, key));
  return row.uid;
}

void Draft::change(FolderId folder, const Row& row) {
  const std::optional<Row> old = this->row(folder, row.uid);
  PH_CHECK(old.has_value());
  FolderDraft& draft = draft_of(folder);
  count(draft.delta, *old, -1);
  count(draft.delta, row, 1);
  lay(draft, row);
}

void Draft::remove(FolderId folder, const Row& row, const TombstoneRecord& how, uint64_t seq) {
  FolderDraft& draft = draft_of(folder);
  count(draft.delta, row, -1);
  draft.rows[row.uid] = std::nullopt;
  draft.highest = std::max(draft.highest, seq);
  draft.events.push_back({seq, row.uid, row.created});
  ++rows_;
  const std::string key = tombstone_key(folder, Seq{seq}, row.uid);
  batch_.put(key, encode(how, key));
}

std::pair<Uid, MessageId> Draft::add_message(FolderId folder, Arrival arrival, uint64_t seq) {
  const MessageId id{take_number()};
  arrival.row.id = id;
  ContentRecord& content = arrival.content;
  if (!content.email.is_set()) content.email.value = id.value;
  if (!content.thread.is_set()) content.thread.value = content.email.value;
  const std::string key = content_key(id);
  batch_.put(key, encode(content, key));
  if (arrival.bytes != nullptr) {
    batch_.add_blob(content.blob, std::move(arrival.bytes), blob_tag(id));
  } else {
    batch_.link_blob(content.blob, blob_tag(id));
  }
  header_.size_bytes += arrival.row.size_bytes;
  ++header_.messages;
  return {place(folder, arrival.row, seq), id};
}

void Draft::erase_content(MessageId id, const std::optional<ContentRecord>& content) {
  batch_.erase(content_key(id));
  batch_.erase(placement_key(id));
  if (content.has_value()) {
    batch_.unlink_blob(content->blob, blob_tag(id));
    const uint64_t size = content->blob_size + content->added_header.size();
    header_.size_bytes -= std::min(header_.size_bytes, size);
  }
  if (header_.messages > 0) --header_.messages;
}

Result<KeywordBits> Draft::keywords(const std::vector<std::string>& names) {
  std::vector<std::string> minted = new_keywords_;
  KeywordBits bits;
  for (const std::string& name : names) {
    if (!is_keyword(name)) return fail(kBadKeyword, printable(name, 64) + " is not a keyword");
    if (const auto known = base_.keywords.find(name)) {
      bits.set(*known);
      continue;
    }
    auto at = std::ranges::find_if(minted, [&](const std::string& m) { return iequals(m, name); });
    if (at == minted.end()) {
      if (base_.keywords.size() + minted.size() >= kKeywordsMax) {
        return fail(kTooManyKeywords, "this mailbox has its " + std::to_string(kKeywordsMax) +
                                          " keywords; use one of them");
      }
      at = minted.insert(minted.end(), name);
    }
    bits.set(base_.keywords.size() + static_cast<uint32_t>(at - minted.begin()));
  }
  new_keywords_ = std::move(minted);
  return bits;
}

KeywordBits Draft::known_keywords(const std::vector<std::string>& names) const {
  KeywordBits bits;
  for (const std::string& name : names) {
    if (const auto known = base_.keywords.find(name)) bits.set(*known);
    for (size_t i = 0; i < new_keywords_.size(); ++i) {
      if (iequals(new_keywords_[i], name)) {
        bits.set(base_.keywords.size() + static_cast<uint32_t>(i));
      }
    }
  }
  return bits;
}

const HandOverRecord* Draft::hand_over(const std::string& id) const {
  const auto at = hand_overs_.find(id);
  return at == hand_overs_.end() ? base_.hand_overs.find(id) : &at->second;
}

void Draft::note_hand_over(const std::string& id, const HandOverRecord& record) {
  hand_overs_[id] = record;
  const std::string key = hand_over_key(id);
  batch_.put(key, encode(record, key));
}

void Draft::set_subscribed(const std::string& name) {
  subscriptions_[name] = true;
  const std::string key = subscription_key(name);
  batch_.put(key, encode_time(now_, key));
}

void Draft::unset_subscribed(const std::string& name) {
  subscriptions_[name] = false;
  batch_.erase(subscription_key(name));
}

const Submission* Draft::submission(SubmissionId id) const {
  const auto at = submissions_.find(id);
  if (at != submissions_.end()) return &at->second;
  const auto base = base_.submissions.find(id);
  return base == base_.submissions.end() ? nullptr : &base->second;
}

void Draft::put_submission(const Submission& submission) {
  submissions_[submission.id] = submission;
  const bool ended = has_ended(submission.state);
  PH_CHECK(ended == (submission.next_action_at == Time::max()));
  const std::string key =
      ended ? ended_submission_key(submission.id) : open_submission_key(submission.id);
  if (ended) batch_.erase(open_submission_key(submission.id));
  batch_.put(key, encode(submission, key));
}

void Draft::raise_tombstone_floor(uint64_t seq) {
  header_.tombstone_floor = std::max(header_.tombstone_floor, seq);
  touched_ = true;
}

bool Draft::empty() const {
  return batch_.empty() && folders_.empty() && new_keywords_.empty() && !touched_ &&
         header_.swept == base_.header.swept;
}

void Draft::apply(const FolderDraft& draft, CounterRecord& counters) {
  counters.uid_next = std::max(counters.uid_next, draft.uid_next);
  counters.highest = std::max(counters.highest, draft.highest);
  counters.messages = plus(counters.messages, draft.delta.messages);
  counters.unseen = plus(counters.unseen, draft.delta.unseen);
  counters.deleted = plus(counters.deleted, draft.delta.deleted);
  counters.size_bytes = plus(counters.size_bytes, draft.delta.size_bytes);
}

kv::Batch Draft::finish() {
  ++header_.commits;
  for (auto& [id, draft] : folders_) {
    for (const auto& [uid, row] : draft.rows) {
      std::string key = row_key(id, uid);
      if (row.has_value()) {
        std::string record = encode(*row, key);
        batch_.put(std::move(key), std::move(record));
      } else {
        batch_.erase(std::move(key));
      }
    }
    if (draft.gone) continue;
    if (draft.record.has_value()) {
      const std::string key = folder_key(id);
      batch_.put(key, encode(*draft.record, key));
    }
    const FolderState* base = base_.folders.find(id);
    CounterRecord counters = base == nullptr ? CounterRecord() : base->counters;
    apply(draft, counters);
    const std::string key = counter_key(id);
    batch_.put(key, encode(counters, key));
  }
  for (size_t i = 0; i < new_keywords_.size(); ++i) {
    const std::string key = keyword_key(base_.keywords.size() + static_cast<uint32_t>(i));
    batch_.put(key, encode_keyword(new_keywords_[i], key));
  }
  batch_.put(std::string(kHeaderKey), encode(header_, kHeaderKey));
  return std::move(batch_);
}

void Draft::merge(State& state) const {
  state.header = header_;
  for (const std::string& name : new_keywords_) (void)state.keywords.add(name);
  for (const auto& [id, record] : hand_overs_) state.hand_overs.add(id, record);
  for (const auto& [name, wanted] : subscriptions_) {
    if (wanted) {
      state.subscriptions.insert(name);
    } else {
      state.subscriptions.erase(name);
    }
  }
  for (const auto& [id, submission] : submissions_) {
    if (has_ended(submission.state)) {
      state.submissions.erase(id);
    } else {
      state.submissions[id] = submission;
    }
  }
  for (const auto& [id, draft] : folders_) {
    if (draft.gone) {
      state.folders.erase(id);
    } else if (FolderState* known = state.folders.find(id);
               known != nullptr && !draft.record.has_value()) {
      apply(draft, known->counters);
    } else {
      FolderState folder;
      if (known != nullptr) folder = *known;
      folder.record = *draft.record;
      apply(draft, folder.counters);
      state.folders.put(folder);
    }
    const auto index = state.indexes.find(id);
    if (index == state.indexes.end()) continue;
    index->second->merge({draft.rows.begin(), draft.rows.end()}, draft.events);
  }
  for (const auto& [id, draft] : folders_) {
    const auto index = state.indexes.find(id);
    if (index != state.indexes.end()) index->second->notify();
  }
}

}  // namespace ph::store
