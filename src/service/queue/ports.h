// What the queue needs from outside, wired by app/: a router, carriers, a reporter, the settings.
//
// Every call is made on the loop it is given; one object serves all loops. Every call has a
// deadline and answers by then: the queue does not trust that (an attempt's lease is a little
// longer than its deadline), but lanes stand still meanwhile. Calls may be cancelled with the scope
// of the lane, or never resumed (a simulated crash).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/setting.h"
#include "kv/store.h"
#include "model/envelope.h"
#include "model/queue_row.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt/runtime.h"

namespace ph::queue {

// The octets of a queued message, in pieces; a value, cheap to copy. Large messages are never whole
// in memory, small new ones are there already.
class Content {
 public:
  Content() = default;
  Content(kv::Store& store, kv::BlobId blob, uint64_t size_bytes, kv::BlobBytes held = nullptr)
      : store_(&store), blob_(blob), size_(size_bytes), held_(std::move(held)) {}

  kv::BlobId blob() const { return blob_; }
  uint64_t size_bytes() const { return size_; }
  // The octets [offset, offset + length), fewer at the end; "" behind it. The store's errors.
  rt::Task<Result<std::string>> read(rt::Loop& loop, uint64_t offset, uint64_t length) const;
  // All of it when it is in memory already, else nullptr.
  const kv::BlobBytes& held() const { return held_; }

 private:
  kv::Store* store_ = nullptr;
  kv::BlobId blob_;
  uint64_t size_ = 0;
  kv::BlobBytes held_;
};

// ---- routing ----

struct HopHost {
  std::string name;                    // as in the MX record or the setting; for TLS and the log
  std::vector<std::string> addresses;  // numeric, in the order to try
  uint16_t port = 25;
};

enum class HopKind : uint8_t { mailbox, smtp, lmtp };

enum class TlsPolicy : uint8_t { opportunistic, required, verified, none };

// Where an attempt goes. `lane` names the lane ("local", "smtp:example.net", "smart:relay:25"):
// attempts with the same lane share connections, limits and health, so everything else in a NextHop
// follows from its lane and the moment.
struct NextHop {
  std::string lane;
  HopKind kind = HopKind::smtp;
  std::vector<HopHost> hosts{};  // smtp, lmtp: in the order to try
  TlsPolicy tls = TlsPolicy::opportunistic;
  model::PeerClass peer = model::PeerClass::foreign;
  std::string login{};  // name of the credentials to use, "" for none
};

// The router's answer for one recipient at this moment.
struct Route {
  enum class Kind : uint8_t {
    hop,      // go there
    expand,   // `members` stand for this recipient
    failed,   // for good: `reason` of kFailReasons, `reply` says why
    not_now,  // `reason` of kWaitReasons, `reply` says why
  } kind = Kind::hop;
  NextHop hop;
  uint64_t mailbox = 0;  // hop of kind mailbox: the account
  std::vector<std::string> members;
  model::QueueReason reason = model::QueueReason::not_routable;
  model::ReplyRecord reply;
};

class Router {
 public:
  virtual ~Router() = default;
  virtual rt::Task<Route> route(rt::Loop& loop, const model::Recipient& recipient,
                                const model::Envelope& envelope, rt::Deadline deadline) = 0;
  // The same if it is known without waiting (mailboxes, a smart host), else nullopt: lets a message
  // for an idle lane start within the commit that accepts it.
  virtual std::optional<Route> peek(const model::Recipient& recipient,
                                    const model::Envelope& envelope) = 0;
};

// ---- carrying ----

struct CarryRecipient {
  uint32_t index = 0;  // names the recipient in the outcome
  model::Recipient recipient;
  uint64_t mailbox = 0;  // hop of kind mailbox
};

// One message for one next hop. The attempt is durable already.
struct CarryWork {
  model::QueueId id;
  uint64_t attempt = 0;
  model::Envelope envelope;
  std::string message_id;
  std::vector<CarryRecipient> recipients;
  Content content;
};

enum class CarryVerdict : uint8_t {
  delivered,  // the mailbox has it
  relayed,    // the next hop took it
  transient,  // `reason` of kWaitReasons; maybe_delivered when the answer to the end was lost
  permanent,  // `reason` of kFailReasons
  not_tried,  // nothing was said about this recipient (the connection failed before)
};

// Whether the next hop has promised to send the reports that the sender asked for (RFC 3461 section
// 5.2.1: it offers DSN and was given NOTIFY): then the queue sends none for a relayed recipient.
enum class Onward : uint8_t { reports_end_here, next_hop_reports };

struct RecipientOutcome {
  uint32_t index = 0;
  CarryVerdict verdict = CarryVerdict::not_tried;
  model::QueueReason reason = model::QueueReason::peer_4xx;
  model::ReplyRecord reply{};
  Onward onward = Onward::reports_end_here;
};

// What an attempt came to. Recipients without an outcome count as not_tried. When the connection
// could not be made or did not survive, `lane_fault` says why and `fault` in whose words; the
// not_tried ones then wait for that reason and the lane's health suffers. After a lane fault the
// session is closed by the queue and not used again.
struct CarryResult {
  std::vector<RecipientOutcome> outcomes;
  std::optional<model::QueueReason> lane_fault;  // one of kLaneReasons, or peer_4xx, peer_5xx when
                                                 // the greeting turned us away
  model::ReplyRecord fault;
  // The next hop says that it has as many connections as it wants (421, or it refuses a further one
  // while others live): the lane uses fewer from now on. Not a fault of the lane.
  bool crowded = false;
};

// A connection to a next hop, reused over messages, one at a time. It connects at the first carry,
// and connects again by itself when a kept connection was closed in between.
class CarrierSession {
 public:
  virtual ~CarrierSession() = default;
  // `hop` is the newest route of this lane: addresses may have changed since open().
  virtual rt::Task<CarryResult> carry(CarryWork work, const NextHop& hop,
                                      rt::Deadline deadline) = 0;
  // Polite end (QUIT); bounded by the deadline. The destructor ends it rudely.
  virtual rt::Task<void> close(rt::Deadline deadline) = 0;
};

class Carriers {
 public:
  virtual ~Carriers() = default;
  // Never fails and does not wait: what goes wrong shows in carry().
  virtual std::unique_ptr<CarrierSession> open(rt::Loop& loop, const NextHop& hop) = 0;
};

// ---- reporting ----

// What a report says of a recipient (RFC 3464 section 2.3.3).
enum class ReportAction : uint8_t { failed, delayed, delivered, relayed, expanded };

struct ReportedRow {
  ReportAction action = ReportAction::failed;
  model::QueueRow row;  // as it is now, with its history
};

// To the sender of the message: one report for all recipients of which something is to be told at
// this moment. To the postmaster: a report of ours that could not be delivered (double bounce).
enum class ReportTo : uint8_t { sender, postmaster };

struct ReportWork {
  ReportTo to = ReportTo::sender;
  model::QueueId id;
  model::Envelope envelope;
  std::string message_id;
  std::vector<ReportedRow> rows;
  Content content;
};

// A message to accept: a delivery report. `recipient` is whom it goes to, "" for the original's
// sender.
struct Report {
  kv::BlobBytes bytes;
  std::string message_id;
  std::string subject;
  std::string recipient;
};

class Reporter {
 public:
  virtual ~Reporter() = default;
  // Always makes a report: what cannot be read of the original is left out. The queue sends it from
  // the null reverse-path, in the commit that changes the rows.
  virtual rt::Task<Report> write(rt::Loop& loop, ReportWork work, rt::Deadline deadline) = 0;
};

// ---- for tests of the queue's own safety ----

// The classic defects, switched on by tests only, to show that the auditor finds and mends each.
enum class Defect : uint8_t {
  none,
  second_list,   // failed rows go to a list in memory; a merge skips every third (S4)
  lost_wake_up,  // the scheduler sleeps on, whatever becomes due
  leaked_slot,   // a connection's place is not given back when it ends
  stolen_lease,  // leases of dead workers are renewed by somebody else
};

struct QueuePorts {
  rt::Runtime& runtime;
  kv::Store& store;
  obs::Log& log;
  obs::Metrics& metrics;
  Router& router;
  Carriers& carriers;
  Reporter& reporter;
  // The live settings as seen from a loop (settings::Settings::source).
  std::function<config::Source&(const rt::Loop&)> settings;
  Defect defect = Defect::none;
};

}  // namespace ph::queue
