#include "front/imap/detail/append.h"

#include <memory>
#include <utility>

namespace ph::imap_server {

namespace {
constexpr uint64_t kMessageOverhead = 1024;  // so that countless small ones count too
}

std::optional<Answer> Appending::begin(imap::MessageBegin message) {
  finish_message();
  const auto refuse = [this](const FixedAnswer& why) {
    drop();
    return std::optional<Answer>(why);
  };
  const std::optional<store::Folder> folder = desk_.mailbox->find_folder(message.mailbox);
  if (!folder.has_value()) return refuse(answers::kTryCreate);
  if (!folder->selectable) return refuse(answers::kNotSelectable);
  if (folder->role == store::Role::outbox) return refuse(answers::kWriteProtected);
  if (message.binary) return refuse(answers::kNoBinary);
  const uint64_t limit = desk_.settings.current().get(kMemoryMax).value;
  const uint64_t wanted = reserved_ + message.size + kMessageOverhead;
  if (!memory_.resize(wanted, limit)) return refuse(answers::kNoMemory);
  reserved_ = wanted;
  folder_ = folder->id;
  store::NewMessage& next = messages_.emplace_back();
  next.flags = flags_from_imap(message.flags);
  if (message.internal_date.has_value()) next.internal_date = message.internal_date->moment;
  octets_.reserve(message.size);
  hash_.emplace();
  return std::nullopt;
}

void Appending::add(std::string_view octets) {
  octets_ += octets;
  hash_->add(octets);
}

void Appending::finish_message() {
  if (!hash_.has_value()) return;
  messages_.back().blob_id = kv::BlobId{hash_->finish()};
  // Shared: the committer and a cache may hold the same octets.
  messages_.back().bytes = std::make_shared<const std::string>(std::exchange(octets_, {}));
  hash_.reset();
}

rt::Task<Answer> Appending::end() {
  finish_message();
  const auto done = co_await desk_.mailbox->append(folder_, std::exchange(messages_, {}),
                                                   desk_.loop.in(kChangeMax));
  drop();
  if (!done.has_value()) co_return desk_.refused(done.error(), "append");
  imap::AppendedUids uids{done->uid_validity, {}};
  bool fits = !done->uids.empty();
  for (const store::Uid uid : done->uids) fits = fits && uids.uids.append(uid);
  co_return Answer(answers::kDone, fits ? imap::append_uid_code(uids) : std::string());
}

void Appending::drop() {
  messages_ = {};
  octets_ = {};
  hash_.reset();
  reserved_ = 0;
  memory_.release();
}

}  // namespace ph::imap_server
