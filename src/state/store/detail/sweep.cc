// Housework of an open mailbox: folders that are leaving, and what has been kept long enough.
//
// Everything here is done in slices, each a commit of its own, and can be cut off anywhere: what is
// left is found again at the next turn.
#include <algorithm>

#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

constexpr Duration kTurnEvery = Duration::minutes(10);

// A slice of a leaving folder's rows, or its last traces.
class PurgeChange final : public Change {
 public:
  struct Item {
    std::string key;
    std::optional<Row> row;  // absent: damaged
    std::optional<ContentRecord> content;
  };
  PurgeChange(FolderId folder, std::vector<Item> items)
      : folder_(folder), items_(std::move(items)) {}

  Status apply(Draft& draft) override {
    const FolderState* folder = draft.folder(folder_);
    if (folder == nullptr) return {};
    if (items_.empty()) {
      draft.forget_folder(folder_);
      return {};
    }
    if (!draft.has_numbers(1)) return fail(kExhausted, "the mailbox has no numbers left");
    const uint64_t seq = draft.step();
    for (const Item& item : items_) {
      if (!item.row.has_value()) {
        draft.batch().erase(item.key);
        continue;
      }
      const Row& row = *item.row;
      const TombstoneRecord how{Departure::folder_deleted, row.id, row.created, {}, draft.now()};
      draft.remove(folder_, row, how, seq);
      draft.erase_content(row.id, item.content);
    }
    return {};
  }

 private:
  const FolderId folder_;
  const std::vector<Item> items_;
};

// Keys that have been kept long enough.
class ForgetChange final : public Change {
 public:
  ForgetChange(std::vector<std::string> keys, uint64_t tombstone_floor)
      : keys_(std::move(keys)), tombstone_floor_(tombstone_floor) {}

  Status apply(Draft& draft) override {
    for (const std::string& key : keys_) draft.batch().erase(key);
    if (tombstone_floor_ > 0) draft.raise_tombstone_floor(tombstone_floor_);
    return {};
  }

 private:
  const std::vector<std::string> keys_;
  const uint64_t tombstone_floor_;
};

class SweptChange final : public Change {
 public:
  Status apply(Draft& draft) override {
    draft.note_swept();
    return {};
  }
};

// When the record was made; nullopt if it is damaged (then it stays, set aside).
std::optional<Time> age_of(const kv::Entry& e) {
  switch (e.key[0]) {
    case 'd': {
      const auto r = decode_hand_over(e.key, e.value);
      return r.has_value() ? std::optional(r->when) : std::nullopt;
    }
    case 't': {
      const auto r = decode_tombstone(e.key, e.value);
      return r.has_value() ? std::optional(r->when) : std::nullopt;
    }
    case 'z': {
      const auto r = decode_submission(e.key, e.value);
      return r.has_value() ? std::optional(r->since) : std::nullopt;
    }
    default: return decode_time(e.key, e.value);
  }
}

struct Broom {
  std::string prefix;
  Time before;
};

rt::Task<Status> sweep_prefix(Mailbox::Inside& mailbox, Broom broom) {
  std::optional<kv::Range> range = kv::prefix_range(broom.prefix);
  range->entries_max = kSlice;
  while (range.has_value()) {
    PH_CO_TRY(const kv::Page page, co_await mailbox.partition->scan(*range));
    std::vector<std::string> keys;
    uint64_t floor = 0;
    for (const kv::Entry& e : page.entries) {
      const std::optional<Time> made = age_of(e);
      if (!made.has_value()) mailbox.set_aside(e.key, "kept for a time");
      if (!made.has_value() || *made >= broom.before) continue;
      keys.push_back(e.key);
      if (e.key[0] == 't') floor = std::max(floor, tombstone_key_seq(e.key).value);
    }
    range = page.rest;
    if (keys.empty()) continue;
    auto change = std::make_shared<ForgetChange>(std::move(keys), floor);
    PH_CO_TRY_STATUS(co_await mailbox.make(change, mailbox.soon()));
  }
  co_return Status();
}

rt::Task<Status> purge(Mailbox::Inside& mailbox, FolderId folder) {
  for (;;) {
    kv::Range range = kv::prefix_range(row_prefix(folder));
    range.entries_max = kSlice;
    PH_CO_TRY(const kv::Page page, co_await mailbox.partition->scan(range));
    std::vector<PurgeChange::Item> items;
    std::vector<MessageId> ids;
    for (const kv::Entry& e : page.entries) {
      items.push_back({e.key, decode_row(e.key, e.value), std::nullopt});
      if (items.back().row.has_value()) ids.push_back(items.back().row->id);
    }
    PH_CO_TRY(const auto contents, co_await mailbox.read_contents(std::move(ids)));
    for (PurgeChange::Item& item : items) {
      if (!item.row.has_value()) continue;
      const auto content = contents.find(item.row->id);
      if (content != contents.end()) item.content = content->second;
    }
    const bool was_last = items.empty();
    auto change = std::make_shared<PurgeChange>(folder, std::move(items));
    PH_CO_TRY_STATUS(co_await mailbox.make(change, mailbox.soon()));
    if (was_last) co_return Status();
  }
}

}  // namespace

rt::Task<Status> Mailbox::Inside::purge_leaving_folders() {
  for (;;) {
    std::optional<FolderId> leaving;
    for (const auto& [folder, folder_state] : state.folders.all()) {
      if (folder_state.record.kind == FolderKind::leaving) leaving = folder;
    }
    if (!leaving.has_value()) co_return Status();
    PH_CO_TRY_STATUS(co_await purge(*this, *leaving));
  }
}

rt::Task<Status> Mailbox::Inside::sweep() {
  const Options& o = around.options;
  const Time now = around.loop.wall();
  if (now - state.header.swept < o.sweep_every) co_return Status();
  const Broom brooms[] = {{"d/", now - o.handover_ids_kept},
                          {"t/", now - o.tombstones_kept},
                          {"g/", now - o.tombstones_kept},
                          {"z/", now - o.submissions_kept}};
  for (const Broom& broom : brooms) {
    PH_CO_TRY_STATUS(co_await sweep_prefix(*this, broom));
  }
  co_return co_await make(std::make_shared<SweptChange>(), soon());
}

rt::Task<void> Mailbox::Inside::keep_house() {
  for (;;) {
    ++housework;
    const Status purged = co_await purge_leaving_folders();
    const Status mended = co_await mend_outbox();
    const Status swept = co_await sweep();
    --housework;
    for (const Status* done : {&purged, &mended, &swept}) {
      if (done->has_value()) continue;
      if (done->error().disposition() == Disposition::cancelled) co_return;
      around.log.warning("store.housework_failed",
                         {{"mailbox", id.value}, {"why", done->error().to_text()}});
    }
    const rt::Woken woken =
        co_await house_work_waits.park(around.loop.in(kTurnEvery), "the next housework");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

// The Outbox holds exactly the open submissions. A message there without one (its row was damaged)
// goes back to its user's Drafts: nobody else would ever do anything about it.
rt::Task<Status> Mailbox::Inside::mend_outbox() {
  const FolderState* outbox = state.folders.with(Role::outbox);
  if (outbox == nullptr || outbox->counters.messages == state.submissions.size())
    co_return Status();
  const FolderId folder = outbox->record.id;
  const uint64_t commits = state.header.commits;
  kv::Range range = kv::prefix_range(row_prefix(folder));
  PH_CO_TRY(const kv::Page page, co_await partition->scan(range));
  std::vector<Row> lost;
  for (const kv::Entry& e : page.entries) {
    const std::optional<Row> row = decode_row(e.key, e.value);
    if (!row.has_value()) continue;
    const bool is_open = std::ranges::any_of(
        state.submissions, [&](const auto& item) { return item.second.message == row->id; });
    if (!is_open) lost.push_back(*row);
  }
  if (lost.empty()) co_return Status();
  around.log.error("store.outbox_mended", {{"mailbox", id.value}, {"messages", lost.size()}});
  co_return co_await make(back_to_drafts(std::move(lost), commits), soon());
}

}  // namespace ph::store
