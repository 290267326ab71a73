// Messages that go from one folder to another or away: copy(), move(), expunge().
#include <algorithm>
#include <span>

#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

using Contents = std::map<MessageId, ContentRecord>;

Result<const FolderState*> target_folder(const Draft& draft, FolderId id, size_t count) {
  PH_TRY(const FolderState* folder, writable_folder(draft, id));
  if (folder->counters.uid_next > UINT32_MAX - 1 - count) {
    return fail(kFolderFull, "the folder has given out all its UIDs");
  }
  if (!draft.has_numbers(count)) return fail(kExhausted, "the mailbox has no numbers left");
  return folder;
}

class CopyChange final : public Change {
 public:
  struct Way {
    FolderId from;
    FolderId to;
  };
  CopyChange(IndexPin pin, Way way, std::vector<Uid> uids, Contents contents)
      : pin_(std::move(pin)), way_(way), uids_(std::move(uids)), contents_(std::move(contents)) {}

  Status apply(Draft& draft) override {
    out = {};
    PH_TRY(const FolderState* target, target_folder(draft, way_.to, uids_.size()));
    out.folder = way_.to;
    out.uid_validity = target->record.uid_validity;
    for (const Uid uid : uids_) {
      std::optional<Row> row = draft.row(way_.from, uid);
      if (!row.has_value()) continue;
      const auto content = contents_.find(row->id);
      if (content == contents_.end()) continue;
      if (!out.seq.is_set()) out.seq.value = draft.step();
      Arrival copy;
      copy.row = *row;
      copy.row.bits &= kClientFlags;
      copy.content = content->second;
      copy.content.handover_id.clear();
      const auto [placed, message] = draft.add_message(way_.to, std::move(copy), out.seq.value);
      out.from.push_back(uid);
      out.to.push_back(placed);
    }
    return {};
  }

  Transfer out;

 private:
  const IndexPin pin_;
  const Way way_;
  const std::vector<Uid> uids_;
  const Contents contents_;
};

class MoveChange final : public Change {
 public:
  MoveChange(IndexPin pin, CopyChange::Way way, std::vector<Uid> uids)
      : pin_(std::move(pin)), way_(way), uids_(std::move(uids)) {}

  Status apply(Draft& draft) override {
    out = {};
    PH_TRY(const FolderState* source, writable_folder(draft, way_.from));
    (void)source;
    PH_TRY(const FolderState* target, target_folder(draft, way_.to, uids_.size()));
    out.folder = way_.to;
    out.uid_validity = target->record.uid_validity;
    for (const Uid uid : uids_) {
      const std::optional<Row> row = draft.row(way_.from, uid);
      if (!row.has_value()) continue;
      if (!out.seq.is_set()) out.seq.value = draft.step();
      const TombstoneRecord how{Departure::moved, row->id, row->created, way_.to, draft.now()};
      draft.remove(way_.from, *row, how, out.seq.value);
      out.from.push_back(uid);
      out.to.push_back(draft.place(way_.to, *row, out.seq.value));
    }
    return {};
  }

  Transfer out;

 private:
  const IndexPin pin_;
  const CopyChange::Way way_;
  const std::vector<Uid> uids_;
};

class ExpungeChange final : public Change {
 public:
  ExpungeChange(IndexPin pin, Expunge which, std::vector<Uid> uids, Contents contents)
      : pin_(std::move(pin)),
        which_(which),
        uids_(std::move(uids)),
        contents_(std::move(contents)) {}

  Status apply(Draft& draft) override {
    out.clear();
    const FolderId folder = pin_->folder();
    PH_TRY(const FolderState* state, writable_folder(draft, folder));
    (void)state;
    if (!draft.has_numbers(1)) return fail(kExhausted, "the mailbox has no numbers left");
    uint64_t seq = 0;
    for (const Uid uid : uids_) {
      const std::optional<Row> row = draft.row(folder, uid);
      if (!row.has_value()) continue;
      if (which_ == Expunge::only_deleted &&
          (row->bits & static_cast<uint16_t>(Flag::deleted)) == 0) {
        continue;
      }
      if (seq == 0) seq = draft.step();
      const TombstoneRecord how{Departure::expunged, row->id, row->created, {}, draft.now()};
      draft.remove(folder, *row, how, seq);
      const auto content = contents_.find(row->id);
      draft.erase_content(
          row->id, content == contents_.end() ? std::nullopt : std::optional(content->second));
      out.push_back(uid);
    }
    return {};
  }

  std::vector<Uid> out;

 private:
  const IndexPin pin_;
  const Expunge which_;
  const std::vector<Uid> uids_;
  const Contents contents_;
};

std::vector<Uid> slice_of(const std::vector<Uid>& uids, size_t at) {
  const size_t count = at < uids.size() ? std::min(kSlice, uids.size() - at) : 0;
  const auto first = uids.begin() + static_cast<std::ptrdiff_t>(at);
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

std::vector<MessageId> ids_of(const FolderIndex& index, const std::vector<Uid>& uids) {
  std::vector<MessageId> out;
  for (const Uid uid : uids) {
    if (const Entry* entry = index.find(uid)) out.push_back(MessageId{entry->id.value()});
  }
  return out;
}

void add(Transfer& all, const Transfer& part) {
  all.folder = part.folder;
  all.uid_validity = part.uid_validity;
  all.from.insert(all.from.end(), part.from.begin(), part.from.end());
  all.to.insert(all.to.end(), part.to.begin(), part.to.end());
  if (part.seq.is_set()) all.seq = part.seq;
}

}  // namespace

rt::Task<Result<Transfer>> Mailbox::copy(FolderId from, std::vector<Uid> uids, FolderId to,
                                         rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_rising(uids));
  Transfer out;
  for (size_t at = 0; at == 0 || at < uids.size(); at += kSlice) {
    PH_CO_TRY(IndexPin pin, co_await inside_->load(from, deadline));
    std::vector<Uid> slice = slice_of(uids, at);
    PH_CO_TRY(Contents contents, co_await inside_->read_contents(ids_of(*pin, slice)));
    auto part = std::make_shared<CopyChange>(std::move(pin), CopyChange::Way{from, to},
                                             std::move(slice), std::move(contents));
    PH_CO_TRY_STATUS(co_await inside_->make(part, deadline));
    add(out, part->out);
  }
  co_return out;
}

rt::Task<Result<Transfer>> Mailbox::move(FolderId from, std::vector<Uid> uids, FolderId to,
                                         rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_rising(uids));
  Transfer out;
  for (size_t at = 0; at == 0 || at < uids.size(); at += kSlice) {
    PH_CO_TRY(IndexPin pin, co_await inside_->load(from, deadline));
    auto part =
        std::make_shared<MoveChange>(std::move(pin), CopyChange::Way{from, to}, slice_of(uids, at));
    PH_CO_TRY_STATUS(co_await inside_->make(part, deadline));
    add(out, part->out);
  }
  co_return out;
}

rt::Task<Result<std::vector<Uid>>> Mailbox::expunge(FolderId folder, std::vector<Uid> uids,
                                                    Expunge which, rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_rising(uids));
  std::vector<Uid> out;
  for (size_t at = 0; at == 0 || at < uids.size(); at += kSlice) {
    PH_CO_TRY(IndexPin pin, co_await inside_->load(folder, deadline));
    std::vector<Uid> slice = slice_of(uids, at);
    // What comes in only now is not meant, and its blob would not be known below.
    std::erase_if(slice, [&pin](Uid uid) { return pin->find(uid) == nullptr; });
    PH_CO_TRY(Contents contents, co_await inside_->read_contents(ids_of(*pin, slice)));
    auto part = std::make_shared<ExpungeChange>(std::move(pin), which, std::move(slice),
                                                std::move(contents));
    PH_CO_TRY_STATUS(co_await inside_->make(part, deadline));
    out.insert(out.end(), part->out.begin(), part->out.end());
  }
  co_return out;
}

}  // namespace ph::store
