#include "admin/transfer_verbs.h"

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "admin/queue_verbs.h"
#include "base/digest.h"
#include "base/text.h"
#include "codec/mime/header.h"
#include "model/queue_id.h"
#include "service/queue/errors.h"

namespace ph::admin {
namespace {

constexpr size_t kAddressMax = 320;

// ---- the envelope as JSON, and back ----

Json moment(Time t) { return t == Time{} ? Json() : Json(t.unix_us()); }

Json describe(const model::Notify& n) {
  return {{"never", n.never}, {"success", n.success}, {"failure", n.failure}, {"delay", n.delay}};
}

Json envelope_of(const queue::MessageFacts& m) {
  const model::Envelope& e = m.envelope;
  return {{"sender", e.sender},
          {"auth_user", e.auth_user},
          {"client_ip", e.client_ip},
          {"client_helo", e.client_helo},
          {"received_at_us", moment(e.received_at)},
          {"envelope_id", e.envelope_id},
          {"dsn_return", static_cast<uint64_t>(e.dsn_return)},
          {"body", static_cast<uint64_t>(e.body)},
          {"smtp_utf8", e.smtp_utf8},
          {"origin", model::to_text(e.origin)},
          {"mt_priority", e.mt_priority},
          {"deliver_by_mode", static_cast<uint64_t>(e.deliver_by.mode)},
          {"deliver_by_us", moment(e.deliver_by.at)},
          {"deliver_by_trace", e.deliver_by.trace},
          {"hold_until_us", moment(e.hold_until)}};
}

Json recipient_of(const model::QueueRow& row) {
  return {{"address", row.recipient.address},
          {"notify", describe(row.recipient.notify)},
          {"original_type", row.recipient.original_type},
          {"original_address", row.recipient.original_address},
          {"via", row.recipient.via},
          {"state", model::to_text(row.state)},
          {"open", !model::is_end(row.state)}};
}

std::string text_in(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}
bool flag_in(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_boolean() && at->get<bool>();
}
int64_t number_in(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_number_integer() ? at->get<int64_t>() : 0;
}
Time time_in(const Json& object, const char* name) {
  return Time::from_unix_us(number_in(object, name));
}

bool is_path(std::string_view text) {
  const auto is_bad = [](char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7F' || c == '<' || c == '>';
  };
  return text.size() <= kAddressMax && std::ranges::none_of(text, is_bad) && is_valid_utf8(text);
}

Result<model::Envelope> read_envelope(const Json& in) {
  model::Envelope e;
  e.sender = text_in(in, "sender");
  if (!is_path(e.sender)) return fail(kBadArgument, "the sender is not an address");
  e.auth_user = text_in(in, "auth_user");
  e.client_ip = text_in(in, "client_ip");
  e.client_helo = text_in(in, "client_helo");
  e.received_at = time_in(in, "received_at_us");
  e.envelope_id = text_in(in, "envelope_id");
  const int64_t dsn_return = number_in(in, "dsn_return");
  const int64_t body = number_in(in, "body");
  const int64_t mode = number_in(in, "deliver_by_mode");
  const int64_t mt_priority = number_in(in, "mt_priority");
  const auto is_of_three = [](int64_t n) { return n >= 0 && n <= 2; };
  if (!is_of_three(dsn_return) || !is_of_three(body) || !is_of_three(mode) || mt_priority < -9 ||
      mt_priority > 9) {
    return fail(kBadArgument, "the envelope has a value that there is not");
  }
  e.dsn_return = static_cast<model::DsnReturn>(dsn_return);
  e.body = static_cast<model::BodyType>(body);
  e.smtp_utf8 = flag_in(in, "smtp_utf8");
  e.mt_priority = static_cast<int>(mt_priority);
  e.deliver_by = {static_cast<model::DeliverBy::Mode>(mode), time_in(in, "deliver_by_us"),
                  flag_in(in, "deliver_by_trace")};
  e.hold_until = time_in(in, "hold_until_us");
  e.origin = model::Origin::internal;
  for (const model::Origin origin : {model::Origin::smtp, model::Origin::submission,
                                     model::Origin::report, model::Origin::x400}) {
    if (text_in(in, "origin") == model::to_text(origin)) e.origin = origin;
  }
  return e;
}

// Those that had not ended when they were exported.
Result<std::vector<model::Recipient>> read_recipients(const Json& in) {
  std::vector<model::Recipient> out;
  if (!in.is_array()) return fail(kBadArgument, "recipients are a list");
  for (const Json& one : in) {
    if (!one.is_object()) return fail(kBadArgument, "a recipient is an object");
    if (one.contains("open") && !flag_in(one, "open")) continue;
    model::Recipient r;
    r.address = text_in(one, "address");
    if (r.address.empty() || !is_path(r.address)) {
      return fail(kBadArgument, "a recipient is not an address");
    }
    const Json notify = one.value("notify", Json::object());
    r.notify = {flag_in(notify, "never"), flag_in(notify, "success"), flag_in(notify, "failure"),
                flag_in(notify, "delay")};
    r.original_type = text_in(one, "original_type");
    r.original_address = text_in(one, "original_address");
    r.via = text_in(one, "via");
    out.push_back(std::move(r));
    if (out.size() > queue::kRecipientsMax) return fail(kBadArgument, "too many recipients");
  }
  if (out.empty()) return fail(kBadArgument, "every recipient of it had ended");
  return out;
}

// ---- out ----

rt::Task<Result<Json>> take_out(TransferParts parts, Call call) {
  PH_CO_TRY(const std::string text, text_argument(call, "id"));
  const auto id = model::parse_queue_id(text);
  if (!id.has_value()) co_return fail(kBadArgument, "a message is named by its queue id");
  PH_CO_TRY(const queue::Explanation e, co_await parts.queue.why(parts.loop, *id, call.deadline));
  if (e.message.open == 0)
    co_return fail(queue::kNotPossible, "it has ended, and its octets are gone");
  if (e.rows_cut) co_return fail(queue::kNotPossible, "it has too many recipients for a file");
  Json recipients = Json::array();
  for (const model::QueueRow& row : e.rows) recipients.push_back(recipient_of(row));
  co_return Json{{"id", model::to_text(*id)},
                 {"envelope", envelope_of(e.message)},
                 {"recipients", std::move(recipients)},
                 {"message_id", e.message.message_id},
                 {"subject", e.message.subject},
                 {"size", e.message.envelope.size_bytes},
                 {"sha256", hex_encode(e.message.blob.view())}};
}

rt::Task<Result<Json>> content(TransferParts parts, Call call) {
  PH_CO_TRY(const std::string text, text_argument(call, "id"));
  PH_CO_TRY(const uint64_t offset, number_argument(call, "offset", 0));
  const auto id = model::parse_queue_id(text);
  if (!id.has_value()) co_return fail(kBadArgument, "a message is named by its queue id");
  PH_CO_TRY(const std::string octets,
            co_await parts.queue.content(parts.loop, *id, offset, kTransferChunk, call.deadline));
  co_return Json{{"offset", offset}, {"data", base64_encode(octets)}};
}

// ---- in ----

struct Upload {
  queue::NewMessage message;
  std::string exported_id;
  std::string sha256;
  uint64_t size = 0;
  std::string octets;
  Instant idle_until;
};

// Shared by the verbs, which are copied; on the control loop only.
class Uploads {
 public:
  explicit Uploads(rt::Loop& loop) : loop_(loop) {}

  Result<uint64_t> add(Upload upload) {
    std::erase_if(open_, [this](const auto& u) { return u.second.idle_until <= loop_.now(); });
    uint64_t bytes = upload.size;
    for (const auto& [number, u] : open_) bytes += u.size;
    if (open_.size() >= kUploadsMax || bytes > kUploadBytesMax) {
      return fail(queue::kBusy, "too much is being imported already; try again later");
    }
    upload.idle_until = loop_.now() + kUploadIdleMax;
    open_.emplace(++last_, std::move(upload));
    return last_;
  }
  // Valid until the next suspension.
  Result<Upload*> of(uint64_t number) {
    const auto at = open_.find(number);
    if (at == open_.end() || at->second.idle_until <= loop_.now()) {
      return fail(kBadArgument, "there is no such upload: begin again");
    }
    at->second.idle_until = loop_.now() + kUploadIdleMax;
    return &at->second;
  }
  Upload take(uint64_t number) {
    auto node = open_.extract(number);
    return std::move(node.mapped());
  }
  void drop(uint64_t number) { open_.erase(number); }

 private:
  rt::Loop& loop_;
  std::map<uint64_t, Upload> open_;
  uint64_t last_ = 0;
};
using SharedUploads = std::shared_ptr<Uploads>;  // every verb's handler holds it

rt::Task<Result<Json>> begin(TransferParts, SharedUploads uploads, Call call) {
  Upload upload;
  PH_CO_TRY(upload.sha256, text_argument(call, "sha256"));
  PH_CO_TRY(upload.size, number_argument(call, "size", 0));
  PH_CO_TRY(upload.exported_id, text_argument(call, "id", ""));
  PH_CO_TRY(upload.message.message_id, text_argument(call, "message_id", ""));
  PH_CO_TRY(upload.message.subject, text_argument(call, "subject", ""));
  PH_CO_TRY(upload.message.envelope, read_envelope(call.args.value("envelope", Json::object())));
  PH_CO_TRY(upload.message.recipients, read_recipients(call.args.value("recipients", Json())));
  if (upload.size == 0 || upload.size > kUploadBytesMax) {
    co_return fail(kBadArgument, "a message of that size cannot be imported");
  }
  if (upload.sha256.size() != 64) co_return fail(kBadArgument, "sha256 is 64 hexadecimal digits");
  PH_CO_TRY(const uint64_t number, uploads->add(std::move(upload)));
  co_return Json{{"upload", number}, {"chunk", kTransferChunk}};
}

rt::Task<Result<Json>> data(TransferParts, SharedUploads uploads, Call call) {
  PH_CO_TRY(const uint64_t number, number_argument(call, "upload", 0));
  PH_CO_TRY(const uint64_t offset, number_argument(call, "offset", 0));
  PH_CO_TRY(const std::string text, text_argument(call, "data"));
  PH_CO_TRY(Upload * upload, uploads->of(number));
  const auto octets = base64_decode(text);
  if (!octets.has_value()) co_return fail(kBadArgument, "data is not base64");
  if (offset != upload->octets.size() || octets->size() > upload->size - offset) {
    co_return fail(kBadArgument, "that piece is not the next one");
  }
  upload->octets += *octets;
  co_return Json{{"received", upload->octets.size()}};
}

// Whether the message that was exported still waits here with the same octets: then importing it
// would double it.
rt::Task<Result<bool>> still_waits(TransferParts parts, std::string exported, std::string sha256,
                                   rt::Deadline deadline) {
  const auto id = model::parse_queue_id(exported);
  if (!id.has_value()) co_return false;
  auto known = co_await parts.queue.why(parts.loop, *id, deadline);
  if (!known.has_value()) {
    if (known.error().is(queue::kNoSuchMessage)) co_return false;
    co_return std::move(known).error();
  }
  co_return known->message.open > 0 && hex_encode(known->message.blob.view()) == sha256;
}

rt::Task<Result<Json>> finish(TransferParts parts, SharedUploads uploads, Call call) {
  PH_CO_TRY(const uint64_t number, number_argument(call, "upload", 0));
  PH_CO_TRY(const Upload* const there, uploads->of(number));
  if (there->octets.size() != there->size) {
    co_return fail(kBadArgument, "octets are missing: nothing was imported");
  }
  Upload upload = uploads->take(number);
  if (hex_encode(as_text(sha256(upload.octets))) != upload.sha256) {
    co_return fail(kBadArgument,
                   "the octets are not those that were announced: nothing was imported");
  }
  PH_CO_TRY(const bool waits,
            co_await still_waits(parts, upload.exported_id, upload.sha256, call.deadline));
  if (waits) co_return fail(queue::kNotPossible, upload.exported_id + " still waits here");
  queue::NewMessage& message = upload.message;
  const mime::TopHeader header = mime::scan_top_header(upload.octets);
  if (message.message_id.empty()) message.message_id = header.message_id;
  if (message.subject.empty()) message.subject = trim(header.subject);
  std::string all = upload.exported_id + "\n" + upload.sha256 + "\n" + message.envelope.sender;
  for (const model::Recipient& r : message.recipients) {
    if (upload.exported_id.empty()) all += "\n" + r.address;
  }
  message.handover_id = "import:" + hex_encode(as_text(sha256(all)).substr(0, 24));
  PH_CO_TRY(const auto known,
            co_await parts.queue.find_handover(parts.loop, message.handover_id, call.deadline));
  message.raw = std::make_shared<const std::string>(std::move(upload.octets));
  PH_CO_TRY(const model::QueueId id,
            co_await parts.queue.accept(parts.loop, std::move(message), call.deadline));
  PH_CO_TRY(const queue::Explanation e, co_await parts.queue.why(parts.loop, id, call.deadline));
  if (!known.has_value()) {
    queue::AuditEntry entry{.when = parts.loop.wall(),
                            .by = call.who,
                            .what = "import",
                            .subject = model::to_text(id),
                            .rows = e.rows.size()};
    PH_CO_TRY_STATUS(co_await parts.queue.note(parts.loop, std::move(entry), call.deadline));
  }
  Json out = explain(e);
  out["known_already"] = known.has_value();
  co_return out;
}

rt::Task<Result<Json>> cancel(TransferParts, SharedUploads uploads, Call call) {
  PH_CO_TRY(const uint64_t number, number_argument(call, "upload", 0));
  uploads->drop(number);
  co_return Json{{"cancelled", number}};
}

}  // namespace

void add_transfer_verbs(Verbs& verbs, TransferParts parts) {
  verbs.add("queue.export", [parts](Call call) { return take_out(parts, std::move(call)); });
  verbs.add("queue.content", [parts](Call call) { return content(parts, std::move(call)); });
  const auto uploads = std::make_shared<Uploads>(parts.loop);
  using Verb = rt::Task<Result<Json>> (*)(TransferParts, SharedUploads, Call);
  const std::pair<const char*, Verb> in[] = {{"queue.import.begin", begin},
                                             {"queue.import.data", data},
                                             {"queue.import.finish", finish},
                                             {"queue.import.cancel", cancel}};
  for (const auto& [name, verb] : in) {
    verbs.add(name,
              [parts, uploads, verb](Call call) { return verb(parts, uploads, std::move(call)); });
  }
}

}  // namespace ph::admin
