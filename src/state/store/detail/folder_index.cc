#include "state/store/detail/folder_index.h"

#include <algorithm>

#include "base/check.h"

namespace ph::store {
namespace {

constexpr size_t kEventsMax = 4096;
constexpr int64_t kBias = int64_t{1} << 47;

}  // namespace

S48::S48(int64_t value)
    : biased_(static_cast<uint64_t>(std::clamp(value, -kBias, kBias - 1) + kBias)) {}
int64_t S48::value() const { return static_cast<int64_t>(biased_.value()) - kBias; }

uint64_t Entry::modseq() const {
  return std::max({created.value(), content_seq.value(), flags_seq.value(), read_seq.value()});
}

void FolderIndex::pack(const Row& row, Entry& entry) {
  entry.uid = row.uid;
  entry.bits = row.bits;
  entry.id = U48(row.id.value);
  entry.created = U48(row.created);
  entry.content_seq = U48(row.content_seq);
  entry.flags_seq = U48(row.flags_seq);
  entry.read_seq = U48(row.read_seq);
  entry.size_bytes = U48(row.size_bytes);
  entry.internal_date_s = S48(row.internal_date_s);
  entry.saved_s = S48(row.saved_s);
  entry.keywords = static_cast<uint32_t>(row.keywords.word(0));
  KeywordBits others = row.keywords;
  others.set_word(0, others.word(0) & ~uint64_t{0xFFFFFFFF});
  if (others == KeywordBits()) {
    more_keywords_.erase(row.uid);
  } else {
    more_keywords_[row.uid] = others;
  }
}

Row FolderIndex::row(const Entry& entry) const {
  Row row;
  row.uid = entry.uid;
  row.id.value = entry.id.value();
  row.bits = entry.bits;
  if (const auto more = more_keywords_.find(entry.uid); more != more_keywords_.end()) {
    row.keywords = more->second;
  }
  row.keywords.set_word(0, row.keywords.word(0) | entry.keywords);
  row.created = entry.created.value();
  row.content_seq = entry.content_seq.value();
  row.flags_seq = entry.flags_seq.value();
  row.read_seq = entry.read_seq.value();
  row.size_bytes = entry.size_bytes.value();
  row.internal_date_s = entry.internal_date_s.value();
  row.saved_s = entry.saved_s.value();
  return row;
}

void FolderIndex::load(const Row& row) { pack(row, entries_.emplace_back()); }

void FolderIndex::finish_loading() {
  PH_CHECK(!loaded_);
  for (const Rows& rows : meanwhile_) merge_into_entries(rows);
  meanwhile_.clear();
  meanwhile_.shrink_to_fit();
  entries_.shrink_to_fit();
  loaded_ = true;
  events_floor_ = seq();
  FolderState* folder = folders_.find(folder_);
  if (folder == nullptr) return;
  CounterRecord& counters = folder->counters;
  counters.messages = entries_.size();
  counters.unseen = counters.deleted = counters.size_bytes = 0;
  for (const Entry& e : entries_) {
    if ((e.bits & static_cast<uint16_t>(Flag::seen)) == 0) ++counters.unseen;
    if ((e.bits & static_cast<uint16_t>(Flag::deleted)) != 0) ++counters.deleted;
    counters.size_bytes += e.size_bytes.value();
  }
}

void FolderIndex::merge_into_entries(const Rows& rows) {
  std::vector<Uid> gone;
  for (const auto& [uid, row] : rows) {
    const auto at = std::ranges::lower_bound(entries_, uid, {}, &Entry::uid);
    const bool there = at != entries_.end() && at->uid == uid;
    if (!row.has_value()) {
      if (there) gone.push_back(uid);
    } else if (there) {
      pack(*row, *at);
    } else {
      if (at == entries_.end() && entries_.size() == entries_.capacity()) {
        entries_.reserve(entries_.size() + entries_.size() / 8 + 16);
        pack(*row, entries_.emplace_back());
      } else {
        pack(*row, *entries_.insert(at, Entry()));
      }
    }
  }
  if (gone.empty()) return;
  for (const Uid uid : gone) more_keywords_.erase(uid);
  auto next = gone.begin();  // rises, like entries_
  std::erase_if(entries_, [&](const Entry& e) {
    while (next != gone.end() && *next < e.uid) ++next;
    return next != gone.end() && *next == e.uid;
  });
}

void FolderIndex::merge(const Rows& rows, const std::vector<Event>& events) {
  if (!loaded_) {
    meanwhile_.push_back(rows);
    return;
  }
  merge_into_entries(rows);
  for (const Event& event : events) events_.push_back(event);
  while (events_.size() > kEventsMax) {
    events_floor_ = events_.front().seq;
    events_.pop_front();
  }
}

void FolderIndex::notify() {
  for (FolderView* view : views_) view->notice();
}

const Entry* FolderIndex::find(Uid uid) const {
  const auto at = std::ranges::lower_bound(entries_, uid, {}, &Entry::uid);
  return at == entries_.end() || at->uid != uid ? nullptr : &*at;
}

std::optional<Row> FolderIndex::row(Uid uid) const {
  const Entry* entry = find(uid);
  if (entry == nullptr) return std::nullopt;
  return row(*entry);
}

MessageInfo FolderIndex::message(const Entry& entry) const {
  const Row r = row(entry);
  MessageInfo out;
  out.id = r.id;
  out.uid = r.uid;
  out.flags.bits = r.bits;
  out.flags.keywords = keywords_.names(r.keywords);
  out.created.value = r.created;
  out.modseq.value = r.modseq();
  out.content_seq.value = r.content_seq;
  out.flags_seq.value = r.flags_seq;
  out.read_seq.value = r.read_seq;
  out.size_bytes = r.size_bytes;
  out.internal_date = Time::from_unix_s(r.internal_date_s);
  out.saved = Time::from_unix_s(r.saved_s);
  return out;
}

std::optional<MessageInfo> FolderIndex::message(Uid uid) const {
  const Entry* entry = find(uid);
  if (entry == nullptr) return std::nullopt;
  return message(*entry);
}

uint64_t FolderIndex::highest() const {
  const FolderState* folder = folders_.find(folder_);
  return folder == nullptr ? header_.seq : std::max<uint64_t>(folder->counters.highest, 1);
}

bool FolderIndex::exists() const {
  const FolderState* folder = folders_.find(folder_);
  return folder != nullptr && folder->record.kind == FolderKind::normal;
}

void FolderIndex::changes_from_entries(uint64_t since, Changes& out) const {
  for (const Entry& e : entries_) {
    if (e.created.value() > since) {
      out.added.push_back(e.uid);
    } else if (e.modseq() > since) {
      out.changed.push_back(e.uid);
    }
  }
}

bool FolderIndex::changes_since(uint64_t since, Changes& out) const {
  if (since < events_floor_) {
    changes_from_entries(since, out);
    return false;
  }
  std::vector<Event> touched;
  for (auto at = events_.rbegin(); at != events_.rend() && at->seq > since; ++at) {
    touched.push_back(*at);
  }
  std::ranges::sort(touched, {}, &Event::uid);
  const auto doubles = std::ranges::unique(touched, {}, &Event::uid);
  touched.erase(doubles.begin(), doubles.end());
  for (const Event& event : touched) {
    const bool is_new = event.created > since;
    if (find(event.uid) != nullptr) {
      (is_new ? out.added : out.changed).push_back(event.uid);
    } else if (!is_new) {
      out.vanished.push_back(event.uid);
    }
  }
  return true;
}

UidMap FolderIndex::uid_map() const {
  UidMap out;
  for (const Entry& e : entries_) out.append(e.uid);
  return out;
}

std::unique_ptr<FolderView> FolderIndex::open_view(rt::Loop& loop, Access access) {
  std::unique_ptr<FolderView> view(new FolderView(*this, loop));
  if (access == Access::read_write) view->recent_from_ = take_recent();
  return view;
}

// Taken in memory; the next commit in the folder makes it durable. RFC 3501 section 2.3.2 asks for
// no more: after a crash a message may be recent once more.
Uid FolderIndex::take_recent() {
  FolderState* folder = folders_.find(folder_);
  if (folder == nullptr) return 1;
  return std::exchange(folder->counters.recent_from, folder->counters.uid_next);
}

void FolderIndex::detach(FolderView& view) { std::erase(views_, &view); }

void FolderIndex::unpin() {
  PH_CHECK(pins_ > 0);
  --pins_;
}

size_t FolderIndex::memory_bytes() const {
  constexpr size_t kPerKeyworded = sizeof(Uid) + sizeof(KeywordBits) + 3 * sizeof(void*);
  return entries_.capacity() * sizeof(Entry) + more_keywords_.size() * kPerKeyworded +
         events_.size() * sizeof(Event) + sizeof(FolderIndex);
}

}  // namespace ph::store
