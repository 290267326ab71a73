#include "state/store/mailbox.h"

#include "state/store/detail/inside.h"

namespace ph::store {

Mailbox::Mailbox(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Mailbox::~Mailbox() = default;

MailboxId Mailbox::id() const { return inside_->id; }
const Guid& Mailbox::guid() const { return inside_->state.header.guid; }
const Guid& Mailbox::replica_guid() const { return inside_->state.header.replica; }
Seq Mailbox::seq() const { return Seq{inside_->state.header.seq}; }
Seq Mailbox::tombstone_floor() const { return Seq{inside_->state.header.tombstone_floor}; }
rt::Loop& Mailbox::home() const { return inside_->around.loop; }

MailboxFigures Mailbox::figures() const {
  MailboxFigures out;
  out.commits = inside_->writer.commits();
  out.changes = inside_->writer.changes();
  out.waiting = inside_->writer.waiting();
  out.folders_loaded = inside_->state.indexes.size();
  out.index_bytes = inside_->index_bytes();
  for (const auto& [folder, index] : inside_->state.indexes) out.views += index->views();
  out.submissions_open = inside_->state.submissions.size();
  out.messages = inside_->state.header.messages;
  out.size_bytes = inside_->state.header.size_bytes;
  return out;
}

std::vector<SetAside> Mailbox::damage() const {
  std::vector<SetAside> out;
  for (const auto& [key, what] : inside_->damage) out.push_back({key, what});
  return out;
}

rt::Task<Result<std::unique_ptr<FolderView>>> Mailbox::open_view(FolderId folder, Access access,
                                                                 rt::Deadline deadline) {
  PH_CO_TRY(const IndexPin pin, co_await inside_->load(folder, deadline));
  co_return pin->open_view(inside_->around.loop, access);
}

rt::Task<Result<Changes>> Mailbox::changes_since(FolderId folder, Seq since,
                                                 rt::Deadline deadline) {
  if (since > seq()) co_return fail(kBadRequest, "that point has not come yet");
  PH_CO_TRY(const IndexPin pin, co_await inside_->load(folder, deadline));
  if (since < tombstone_floor()) co_return fail(kTooOld, "what vanished then is forgotten");
  Changes out;
  out.from = since;
  out.to = seq();
  if (pin->changes_since(since.value, out)) co_return out;
  const Seq to{out.to.value + 1};
  std::optional<kv::Range> range =
      kv::Range{tombstone_key(folder, Seq{since.value + 1}, 0), tombstone_key(folder, to, 0)};
  while (range.has_value()) {
    PH_CO_TRY(const kv::Page page, co_await inside_->partition->scan(*range));
    for (const kv::Entry& e : page.entries) {
      const std::optional<TombstoneRecord> gone = decode_tombstone(e.key, e.value);
      if (!gone.has_value()) inside_->set_aside(e.key, "tombstone");
      // A damaged one still names its UID; that it vanished is harmless to say twice.
      if (!gone.has_value() || gone->created <= since.value) {
        out.vanished.push_back(tombstone_key_uid(e.key));
      }
    }
    range = page.rest;
  }
  std::ranges::sort(out.vanished);
  co_return out;
}

}  // namespace ph::store
