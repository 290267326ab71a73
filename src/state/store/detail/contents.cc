// What messages contain: content records, octets, envelopes and structures.
#include <algorithm>

#include "codec/mime/header.h"
#include "codec/mime/message.h"
#include "kv/errors.h"
#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

// Summaries larger than this are made again each time: a few hostile ones must not fill the cache.
constexpr size_t kCachedAddressesMax = 200;
constexpr size_t kCachedPartsMax = 100;

size_t addresses_in(const mime::Envelope& e) {
  return e.from.size() + e.sender.size() + e.reply_to.size() + e.to.size() + e.cc.size() +
         e.bcc.size();
}

constexpr std::string_view kIdFields[] = {"References", "In-Reply-To", "Message-ID"};

std::string_view first_message_id(std::string_view value) {
  const size_t open = value.find('<');
  if (open == std::string_view::npos) return {};
  const size_t close = value.find('>', open);
  if (close == std::string_view::npos) return {};
  return value.substr(open + 1, close - open - 1);
}

}  // namespace

ThreadId thread_of(std::string_view header) {
  const mime::HeaderView fields(header);
  for (const std::string_view name : kIdFields) {
    const std::optional<mime::Field> field = fields.first(name);
    if (!field.has_value()) continue;
    const std::string value = field->value();
    const std::string_view id = first_message_id(value);
    if (id.empty()) continue;
    const Sha256Digest digest = sha256(id);
    uint64_t number = 0;
    for (size_t i = 0; i < 6; ++i) number = (number << 8) | digest[i];
    return ThreadId{number == 0 ? 1 : number};
  }
  return {};
}

rt::Task<Result<std::optional<ContentRecord>>> Mailbox::Inside::read_content(MessageId message) {
  std::string key = content_key(message);
  PH_CO_TRY(const std::optional<std::string> record, co_await partition->get(key));
  if (!record.has_value()) co_return std::optional<ContentRecord>();
  std::optional<ContentRecord> content = decode_content(key, *record);
  if (!content.has_value()) {
    set_aside(key, "content");
    co_return fail(kDamaged, "the message's content record cannot be read");
  }
  co_return content;
}

rt::Task<Result<std::map<MessageId, ContentRecord>>> Mailbox::Inside::read_contents(
    std::vector<MessageId> ids) {
  std::map<MessageId, ContentRecord> out;
  std::ranges::sort(ids);
  constexpr size_t kTogether = 64;
  for (size_t i = 0; i < ids.size();) {
    const MessageId last = ids[std::min(i + kTogether, ids.size()) - 1];
    if (last.value - ids[i].value < 4 * kTogether) {  // neighbours: one scan finds them
      const size_t end = std::min(i + kTogether, ids.size());
      kv::Range range{content_key(ids[i]), content_key(MessageId{last.value + 1})};
      PH_CO_TRY(const kv::Page page, co_await partition->scan(range));
      for (const kv::Entry& entry : page.entries) {
        const MessageId found{key_u64(entry.key, 2)};
        if (!std::binary_search(ids.begin(), ids.end(), found)) continue;
        if (const auto content = decode_content(entry.key, entry.value)) {
          out[found] = *content;
        } else {
          set_aside(entry.key, "content");
        }
      }
      // A page may end early by its octets: go on behind what it had.
      if (page.rest.has_value() && !page.entries.empty()) {
        const MessageId reached{key_u64(page.entries.back().key, 2)};
        while (i < end && ids[i] <= reached) ++i;
      } else {
        i = end;
      }
    } else {
      const auto content = co_await read_content(ids[i]);
      if (content.has_value() && content->has_value()) out[ids[i]] = **content;
      if (!content.has_value() && !content.error().is(kDamaged)) co_return content.error();
      ++i;
    }
  }
  co_return out;
}

rt::Task<Result<kv::BlobBytes>> Mailbox::Inside::read_octets(ContentRecord content, uint64_t offset,
                                                             uint64_t length) {
  const std::string& front = content.added_header;
  if (offset >= front.size()) {
    offset -= front.size();
    co_return co_await around.kv.read_blob(around.loop, content.blob, offset, length);
  }
  std::string out = front.substr(offset, length);
  const uint64_t more = length - out.size();
  if (more > 0) {
    PH_CO_TRY(const kv::BlobBytes rest,
              co_await around.kv.read_blob(around.loop, content.blob, 0, more));
    out += *rest;
  }
  co_return std::make_shared<const std::string>(std::move(out));
}

rt::Task<Result<Placement>> Mailbox::find(MessageId message, rt::Deadline) {
  std::string key = placement_key(message);
  PH_CO_TRY(const std::optional<std::string> record, co_await inside_->partition->get(key));
  if (!record.has_value()) co_return fail(kNoMessage, "there is no such message");
  const std::optional<PlacementRecord> place = decode_placement(key, *record);
  if (!place.has_value()) {
    inside_->set_aside(key, "placement");
    co_return fail(kDamaged, "the message's placement cannot be read");
  }
  co_return Placement{place->folder, place->uid};
}

rt::Task<Result<ContentInfo>> Mailbox::content(MessageId message, rt::Deadline) {
  PH_CO_TRY(const auto record, co_await inside_->read_content(message));
  if (!record.has_value()) co_return fail(kNoMessage, "there is no such message");
  ContentInfo out;
  out.id = message;
  out.email = record->email;
  out.thread = record->thread;
  out.blob = record->blob;
  out.size_bytes = record->added_header.size() + record->blob_size;
  out.added_header = record->added_header;
  out.handover_id = record->handover_id;
  out.received = record->received;
  co_return out;
}

rt::Task<Result<kv::BlobBytes>> Mailbox::bytes(MessageId message, uint64_t offset, uint64_t length,
                                               rt::Deadline) {
  PH_CO_TRY(auto record, co_await inside_->read_content(message));
  if (!record.has_value()) co_return fail(kNoMessage, "there is no such message");
  co_return co_await inside_->read_octets(std::move(*record), offset, length);
}

rt::Task<Result<std::shared_ptr<const Summary>>> Mailbox::summary(MessageId message,
                                                                  rt::Deadline deadline) {
  SummaryCache& cache = inside_->around.summaries;
  const MessageName name{id(), message};
  if (const auto* known = cache.find(name)) co_return *known;
  PH_CO_TRY(const kv::BlobBytes octets, co_await bytes(message, 0, kv::kWholeBlob, deadline));
  const mime::Message parsed(*octets);
  auto made = std::make_shared<Summary>();
  made->envelope = mime::make_envelope(parsed.header(parsed.root()));
  made->structure = mime::make_body_structure(parsed);
  std::shared_ptr<const Summary> out = std::move(made);
  if (addresses_in(out->envelope) <= kCachedAddressesMax &&
      parsed.part_count() <= kCachedPartsMax) {
    cache.put(name, out);
  }
  co_return out;
}

}  // namespace ph::store
