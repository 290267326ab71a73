// Flags of messages that are there: store_flags().
#include <algorithm>

#include "rt/parking.h"
#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

class FlagsChange final : public Change {
 public:
  struct Wish {
    FolderId folder;
    FlagChange change;
    std::optional<Seq> unchanged_since;
  };
  FlagsChange(IndexPin pin, Wish wish, std::vector<Uid> uids)
      : pin_(std::move(pin)), wish_(std::move(wish)), uids_(std::move(uids)) {}

  Status apply(Draft& draft) override {
    out = {};
    PH_TRY(const FolderState* folder, writable_folder(draft, wish_.folder));
    (void)folder;
    if (!draft.has_numbers(1)) return fail(kExhausted, "the mailbox has no numbers left");
    const std::vector<std::string>& names = wish_.change.flags.keywords;
    KeywordBits keywords;
    if (wish_.change.kind == FlagChange::Kind::remove) {
      keywords = draft.known_keywords(names);
    } else {
      PH_TRY(keywords, draft.keywords(names));
    }
    for (const Uid uid : uids_) {
      const std::optional<Row> old = draft.row(wish_.folder, uid);
      if (!old.has_value()) continue;
      if (wish_.unchanged_since.has_value() && old->modseq() > wish_.unchanged_since->value) {
        out.conflict.push_back(uid);
        continue;
      }
      out.changed.push_back(uid);
      change_one(draft, *old, keywords);
    }
    return {};
  }

  FlagsStored out;

 private:
  void change_one(Draft& draft, const Row& old, const KeywordBits& keywords) {
    Row row = old;
    const uint16_t bits = wish_.change.flags.bits & kClientFlags;
    const auto word_op = [&](uint64_t a, uint64_t b) {
      switch (wish_.change.kind) {
        case FlagChange::Kind::replace: return b;
        case FlagChange::Kind::add: return a | b;
        case FlagChange::Kind::remove: return a & ~b;
      }
      return a;
    };
    const uint64_t client = word_op(row.bits & kClientFlags, bits);
    row.bits = static_cast<uint16_t>((row.bits & ~kClientFlags) | (client & kClientFlags));
    for (size_t w = 0; w < KeywordBits::kWords; ++w) {
      row.keywords.set_word(w, word_op(row.keywords.word(w), keywords.word(w)));
    }
    const auto differ = static_cast<uint16_t>(row.bits ^ old.bits);
    constexpr auto kSeen = static_cast<uint16_t>(Flag::seen);
    const bool read_changed = (differ & kSeen) != 0;
    const bool flags_changed = (differ & ~kSeen) != 0 || !(row.keywords == old.keywords);
    if (!read_changed && !flags_changed) return;
    if (!out.seq.is_set()) out.seq.value = draft.step();
    if (read_changed) row.read_seq = out.seq.value;
    if (flags_changed) row.flags_seq = out.seq.value;
    draft.change(wish_.folder, row);
  }

  const IndexPin pin_;
  const Wish wish_;
  const std::vector<Uid> uids_;
};

}  // namespace

Status check_rising(const std::vector<Uid>& uids) {
  if (std::ranges::adjacent_find(uids, std::greater_equal<>()) != uids.end()) {
    return fail(kBadRequest, "UIDs are not in rising order");
  }
  return {};
}

Result<const FolderState*> writable_folder(const Draft& draft, FolderId id) {
  const FolderState* folder = draft.folder(id);
  if (folder == nullptr || folder->record.kind == FolderKind::leaving) {
    return fail(kNoFolder, "there is no such folder");
  }
  if (folder->record.kind != FolderKind::normal) {
    return fail(kNotSelectable, "the folder is only a level above others");
  }
  if (folder->record.role == Role::outbox) {
    return fail(kReadOnly, "the Outbox shows what is being sent; it cannot be changed");
  }
  return folder;
}

rt::Task<Result<FlagsStored>> Mailbox::store_flags(FolderId folder, std::vector<Uid> uids,
                                                   FlagChange change,
                                                   std::optional<Seq> unchanged_since,
                                                   rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_rising(uids));
  FlagsStored out;
  const FlagsChange::Wish wish{folder, std::move(change), unchanged_since};
  for (size_t at = 0; at == 0 || at < uids.size(); at += kSlice) {
    PH_CO_TRY(IndexPin pin, co_await inside_->load(folder, deadline));
    std::vector<Uid> slice;
    for (size_t i = at; i < std::min(at + kSlice, uids.size()); ++i) slice.push_back(uids[i]);
    auto part = std::make_shared<FlagsChange>(std::move(pin), wish, std::move(slice));
    PH_CO_TRY_STATUS(co_await inside_->make(part, deadline));
    const FlagsStored& done = part->out;
    out.changed.insert(out.changed.end(), done.changed.begin(), done.changed.end());
    out.conflict.insert(out.conflict.end(), done.conflict.begin(), done.conflict.end());
    if (done.seq.is_set()) out.seq = done.seq;
  }
  co_return out;
}

}  // namespace ph::store
