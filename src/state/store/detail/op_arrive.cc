// Messages that come in: deliver() and append().
#include <algorithm>

#include "base/text.h"
#include "codec/mime/header.h"
#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

constexpr size_t kAppendedTogetherMax = 1'000;

Status check_room(const FolderState& folder, uint64_t count) {
  if (folder.counters.uid_next > UINT32_MAX - 1 - count) {
    return fail(kFolderFull, "the folder has given out all its UIDs");
  }
  return {};
}

class DeliverChange final : public Change {
 public:
  DeliverChange(Delivery delivery, uint64_t looked_at)
      : delivery_(std::move(delivery)), looked_at_(looked_at) {}

  Status apply(Draft& draft) override {
    must_look_again = false;
    if (const HandOverRecord* known = draft.hand_over(delivery_.handover_id)) {
      out = {Delivered::Kind::already, known->folder, known->uid, known->message};
      return {};
    }
    if (!draft.remembers_hand_overs_since(looked_at_)) {
      must_look_again = true;
      return {};
    }
    if (!draft.has_numbers(8)) return fail(kExhausted, "the mailbox has no numbers left");
    const FolderState* folder = target(draft);
    if (folder != nullptr) PH_TRY_STATUS(check_room(*folder, 1));
    PH_TRY(const KeywordBits keywords, draft.keywords(delivery_.flags.keywords));
    const uint64_t seq = draft.step();
    const FolderId into =
        folder != nullptr ? folder->record.id : folder_for(draft, delivery_.role, seq);
    const auto [uid, message] = draft.add_message(into, arrival(keywords, draft.now()), seq);
    out = {Delivered::Kind::now, into, uid, message};
    draft.note_hand_over(delivery_.handover_id, {into, uid, message, draft.now()});
    return {};
  }

  Delivered out;
  bool must_look_again = false;  // so many deliveries since that the look may be out of date

 private:
  const FolderState* target(const Draft& draft) const {
    const FolderState* chosen = draft.folder(delivery_.folder);
    if (chosen != nullptr && chosen->record.kind == FolderKind::normal &&
        chosen->record.role != Role::outbox) {
      return chosen;
    }
    return draft.folder_with(delivery_.role);
  }
  Arrival arrival(const KeywordBits& keywords, Time now) const {
    Arrival a;
    a.row.bits = delivery_.flags.bits & kClientFlags;
    a.row.keywords = keywords;
    a.row.size_bytes = delivery_.added_header.size() + delivery_.blob_size;
    a.row.internal_date_s = delivery_.internal_date.value_or(now).unix_s();
    a.content.thread = delivery_.thread;
    a.content.blob = delivery_.blob;
    a.content.blob_size = delivery_.blob_size;
    a.content.added_header = delivery_.added_header;
    a.content.handover_id = delivery_.handover_id;
    a.content.received = now;
    return a;
  }

  const Delivery delivery_;
  const uint64_t looked_at_;
};

class AppendChange final : public Change {
 public:
  AppendChange(FolderId folder, std::vector<NewMessage> messages)
      : folder_(folder), messages_(std::move(messages)) {}

  Status apply(Draft& draft) override {
    out = {};
    PH_TRY(const FolderState* folder, writable_folder(draft, folder_));
    PH_TRY_STATUS(check_room(*folder, messages_.size()));
    if (!draft.has_numbers(messages_.size())) {
      return fail(kExhausted, "the mailbox has no numbers left");
    }
    std::vector<std::string> names;
    for (const NewMessage& m : messages_) {
      names.insert(names.end(), m.flags.keywords.begin(), m.flags.keywords.end());
    }
    PH_TRY_STATUS(draft.keywords(names));
    out.folder = folder_;
    out.uid_validity = folder->record.uid_validity;
    const uint64_t seq = draft.step();
    out.seq.value = seq;
    for (const NewMessage& m : messages_) {
      Arrival a;
      a.row.bits = m.flags.bits & kClientFlags;
      a.row.keywords = draft.known_keywords(m.flags.keywords);
      a.row.size_bytes = m.bytes->size();
      a.row.internal_date_s = m.internal_date.value_or(draft.now()).unix_s();
      a.content.thread = m.thread;
      a.content.blob = *m.blob_id;
      a.content.blob_size = m.bytes->size();
      a.content.received = draft.now();
      a.bytes = m.bytes;
      const auto [uid, message] = draft.add_message(folder_, std::move(a), seq);
      out.uids.push_back(uid);
      out.messages.push_back(message);
    }
    return {};
  }

  Appended out;

 private:
  const FolderId folder_;
  const std::vector<NewMessage> messages_;
};

Status check_delivery(const Delivery& d, const Options& options) {
  if (d.handover_id.empty() || d.handover_id.size() > kHandoverIdBytesMax) {
    return fail(kBadRequest, "a hand-over id has 1 to 200 octets");
  }
  if (d.added_header.size() > kAddedHeaderBytesMax) {
    return fail(kBadRequest, "the added header fields are too long");
  }
  if (d.blob_size > options.message_bytes_max) return fail(kTooLarge, "the message is too large");
  if (d.role == Role::none) return fail(kBadRequest, "a delivery needs a role to go to");
  if (d.role == Role::outbox) return fail(kReadOnly, "nothing is delivered to the Outbox");
  return {};
}

// Without a thread told by the caller: from the header's first part.
void complete(NewMessage& m) {
  if (!m.blob_id.has_value()) m.blob_id = kv::blob_id_of(*m.bytes);
  if (m.thread.is_set()) return;
  const std::string_view front = std::string_view(*m.bytes).substr(0, kHeaderBytesFirst);
  m.thread = thread_of(front.substr(0, mime::header_size(front)));
}

}  // namespace

rt::Task<Result<Delivered>> Mailbox::deliver(Delivery delivery, rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_delivery(delivery, inside_->around.options));
  for (;;) {
    RecentHandOvers& recent = inside_->state.hand_overs;
    const uint64_t looked_at = recent.count();
    if (recent.find(delivery.handover_id) == nullptr) {
      std::string key = hand_over_key(delivery.handover_id);
      PH_CO_TRY(const std::optional<std::string> record, co_await inside_->partition->get(key));
      if (record.has_value()) {
        const std::optional<HandOverRecord> known = decode_hand_over(key, *record);
        // Damaged or not, it was written by a delivery of this id.
        if (!known.has_value()) inside_->set_aside(key, "hand-over");
        const HandOverRecord r = known.value_or(HandOverRecord());
        co_return Delivered{Delivered::Kind::already, r.folder, r.uid, r.message};
      }
    }
    auto change = std::make_shared<DeliverChange>(delivery, looked_at);
    PH_CO_TRY_STATUS(co_await inside_->make(change, deadline));
    if (!change->must_look_again) co_return change->out;
  }
}

rt::Task<Result<Appended>> Mailbox::append(FolderId folder, std::vector<NewMessage> messages,
                                           rt::Deadline deadline) {
  if (messages.empty() || messages.size() > kAppendedTogetherMax) {
    co_return fail(kBadRequest, "1 to 1,000 messages are appended at once");
  }
  for (NewMessage& m : messages) {
    if (m.bytes == nullptr) co_return fail(kBadRequest, "a message without octets");
    if (m.bytes->size() > inside_->around.options.message_bytes_max) {
      co_return fail(kTooLarge, "the message is too large");
    }
    complete(m);
  }
  auto change = std::make_shared<AppendChange>(folder, std::move(messages));
  PH_CO_TRY_STATUS(co_await inside_->make(change, deadline));
  co_return change->out;
}

}  // namespace ph::store
