#include "state/store/view.h"

#include <algorithm>

#include "base/check.h"
#include "state/store/detail/folder_index.h"

namespace ph::store {

void UidMap::append(Uid uid) {
  PH_CHECK(uid > last());
  if (runs_.empty() || runs_.back().first + runs_.back().count != uid) {
    runs_.push_back({uid, 0, static_cast<uint32_t>(size_)});
  }
  ++runs_.back().count;
  ++size_;
}

void UidMap::remove(std::span<const Uid> rising) {
  if (rising.empty()) return;
  std::vector<Run> old;
  old.swap(runs_);
  size_ = 0;
  auto gone = rising.begin();
  const auto keep = [this](Uid first, uint64_t end) {
    if (first >= end) return;
    const auto count = static_cast<uint32_t>(end - first);
    if (!runs_.empty() && runs_.back().first + runs_.back().count == first) {
      runs_.back().count += count;
    } else {
      runs_.push_back({first, count, static_cast<uint32_t>(size_)});
    }
    size_ += count;
  };
  for (const Run& run : old) {
    const uint64_t end = uint64_t{run.first} + run.count;
    Uid from = run.first;
    while (gone != rising.end() && *gone < from) ++gone;
    for (; gone != rising.end() && *gone < end; ++gone) {
      keep(from, *gone);
      from = *gone + 1;
    }
    keep(from, end);
  }
}

Uid UidMap::at(size_t position) const {
  if (position == 0 || position > size_) return 0;
  const auto behind = std::ranges::upper_bound(runs_, position - 1, {}, &Run::before);
  const Run& run = *std::prev(behind);
  return static_cast<Uid>(run.first + (position - 1 - run.before));
}

size_t UidMap::count_below(Uid uid) const {
  const auto behind = std::ranges::lower_bound(runs_, uid, {}, &Run::first);
  if (behind == runs_.begin()) return 0;
  const Run& run = *std::prev(behind);
  return run.before + std::min<size_t>(run.count, uid - run.first);
}

size_t UidMap::position_of(Uid uid) const {
  if (uid == 0) return 0;
  const size_t position = count_below(uid) + 1;
  return at(position) == uid ? position : 0;
}

std::vector<Uid> UidMap::between(Uid first, Uid last) const {
  std::vector<Uid> out;
  for (const Run& run : runs_) {
    const uint64_t end = std::min<uint64_t>(uint64_t{run.first} + run.count, uint64_t{last} + 1);
    for (uint64_t uid = std::max(run.first, first); uid < end; ++uid) {
      out.push_back(static_cast<Uid>(uid));
    }
  }
  return out;
}

FolderView::FolderView(FolderIndex& index, rt::Loop& loop)
    : index_(index),
      folder_(index.folder()),
      seq_{index.seq()},
      uids_(index.uid_map()),
      changed_(loop) {
  index_.attach(*this);
}

FolderView::~FolderView() { index_.detach(*this); }

bool FolderView::exists() const { return index_.exists(); }

std::optional<MessageInfo> FolderView::message(Uid uid) const { return index_.message(uid); }

bool FolderView::is_behind() const { return index_.highest() > seq_.value || !exists(); }

Changes FolderView::poll(Vanished vanished) {
  Changes out;
  out.from = seq_;
  if (exists() && index_.highest() > seq_.value) {
    if (!index_.changes_since(seq_.value, out)) {
      for (size_t position = 1; position <= uids_.size(); ++position) {
        const Uid uid = uids_.at(position);
        if (index_.find(uid) == nullptr) out.vanished.push_back(uid);
      }
      std::erase_if(out.vanished,
                    [this](Uid uid) { return std::ranges::binary_search(kept_back_, uid); });
    }
    for (const Uid uid : out.added) uids_.append(uid);
    if (recent_from_ != 0 && !out.added.empty()) (void)index_.take_recent();
  }
  seq_.value = std::max(seq_.value, index_.seq());
  out.to = seq_;
  if (!out.vanished.empty()) {
    kept_back_.insert(kept_back_.end(), out.vanished.begin(), out.vanished.end());
    std::ranges::sort(kept_back_);
  }
  out.vanished.clear();
  if (vanished == Vanished::report) {
    out.vanished.swap(kept_back_);
    uids_.remove(out.vanished);
  }
  return out;
}

rt::Task<Status> FolderView::wait_change(rt::Deadline deadline) {
  while (!is_behind()) {
    const rt::Woken woken = co_await changed_.park(deadline, "a change in a folder");
    if (woken == rt::Woken::cancelled) co_return rt::to_status(woken, "a change in a folder");
    if (woken == rt::Woken::deadline) break;
  }
  co_return Status();
}

void FolderView::on_change(rt::Callback hint) { hint_ = std::move(hint); }

void FolderView::notice() {
  changed_.wake();
  if (hint_) hint_();
}

}  // namespace ph::store
