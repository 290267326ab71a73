#include "service/queue/detail/shard.h"

#include <algorithm>

#include "base/text.h"
#include "kv/errors.h"
#include "service/queue/detail/records.h"

namespace ph::queue {
namespace {

constexpr Duration kStopPoll = Duration::milliseconds(20);
constexpr Duration kCancelTime = Duration::seconds(2);

void bound_texts(NewMessage& message) {
  model::Envelope& e = message.envelope;
  e.auth_user = printable(e.auth_user, 320);
  e.client_ip = printable(e.client_ip, 64);
  e.client_helo = printable(e.client_helo, 255);
  if (e.envelope_id.size() > 100) e.envelope_id.resize(100);
}

}  // namespace

Figures::Figures(obs::Metrics& all)
    : accepted(all.counter("posthorn_queue_accepted_total")),
      attempts(all.counter("posthorn_queue_attempts_total")),
      reports(all.counter("posthorn_queue_reports_total")),
      reports_lost(all.counter("posthorn_queue_reports_lost_total")),
      lost_workers(all.counter("posthorn_queue_lost_workers_total")),
      auditor_hits(all.counter("posthorn_auditor_hits")),
      metrics(all) {}

void Figures::row_ended(model::QueueState state) {
  obs::Counter*& counter = rows_ended_[static_cast<size_t>(state)];
  if (counter == nullptr) {
    const std::string labels = "state=\"" + std::string(model::to_text(state)) + "\"";
    counter = &metrics.counter("posthorn_queue_ended_total", labels);
  }
  counter->add();
}

void Figures::attempt_ended(const model::QueueRow& row) {
  obs::Counter*& counter =
      attempts_ended_[static_cast<size_t>(row.state)][static_cast<size_t>(row.reason)];
  if (counter == nullptr) {
    const std::string labels = "state=\"" + std::string(model::to_text(row.state)) +
                               "\",reason=\"" + std::string(model::to_text(row.reason)) + "\"";
    counter = &metrics.counter("posthorn_queue_attempts_ended_total", labels);
  }
  counter->add();
}

rt::Task<Status> Shard::load() {
  PH_CO_TRY_STATUS(co_await core_.ledger.load());
  std::optional<kv::Range> range = kv::prefix_range(kSuspensionPrefix);
  while (range.has_value()) {
    PH_CO_TRY(kv::Page page, co_await core_.ledger.partition().scan(std::move(*range)));
    for (const kv::Entry& entry : page.entries) {
      auto suspension = decode_suspension(entry.key, entry.value);
      if (!suspension.has_value()) continue;
      std::string lane = suspension->lane;
      core_.suspensions.insert_or_assign(std::move(lane), std::move(*suspension));
    }
    range = std::move(page.rest);
  }
  co_return Status{};
}

void Shard::start() {
  core_.accepting_work = true;
  core_.note_delay();
  scheduler_.start();
  auditor_.start();
  desk_.start();
}

rt::Task<Status> Shard::stop(rt::Deadline deadline) {
  core_.accepting_work = false;
  scheduler_.stop();
  auditor_.stop();
  desk_.stop();
  bool cancelled = false;
  const rt::Deadline polite =
      rt::Deadline::at(std::max(core_.home.now(), deadline.when() - kCancelTime));
  while (!dispatcher_.drained() || !scheduler_.stopped() || !auditor_.stopped()) {
    if (deadline.passed(core_.home.now())) co_return fail(kBusy, "attempts are still running");
    if (!cancelled && polite.passed(core_.home.now())) {
      dispatcher_.cancel_workers();
      cancelled = true;
    }
    const rt::Woken woken =
        co_await rt::sleep(core_.home, core_.home.in(kStopPoll), "running attempts to end");
    if (woken == rt::Woken::cancelled) co_return fail(kBusy, "stopping was given up");
  }
  co_return Status{};
}

rt::Task<Result<model::QueueId>> Shard::accept(NewMessage message, rt::Deadline deadline) {
  if (message.handover_id.empty()) co_return co_await enrol(std::move(message), deadline);
  // One at a time under one hand-over id; the second one finds what the first has left.
  const std::string handover = message.handover_id;
  if (!handovers_.insert(handover).second) co_return fail(kBusy, "it is being accepted already");
  struct Entry {
    std::unordered_set<std::string>& set;
    const std::string& id;
    ~Entry() { set.erase(id); }
  };
  const Entry entry{handovers_, handover};
  PH_CO_TRY(const std::optional<model::QueueId> known, co_await core_.ledger.by_handover(handover));
  if (known.has_value()) co_return *known;
  co_return co_await enrol(std::move(message), deadline);
}

std::optional<Shard::Way> Shard::way_of(const NewMessage& message) {
  if (!core_.accepting_work || message.envelope.hold_until > core_.now()) return std::nullopt;
  if (message.recipients.size() > core_.values().get(kRecipientsPerAttempt)) return std::nullopt;
  Way way;
  for (const model::Recipient& recipient : message.recipients) {
    std::optional<Route> route = core_.ports.router.peek(recipient, message.envelope);
    if (!route.has_value() || route->kind != Route::Kind::hop) return std::nullopt;
    if (way.mailboxes.empty()) {
      way.hop = std::move(route->hop);
    } else if (route->hop.lane != way.hop.lane) {
      return std::nullopt;
    }
    way.mailboxes.push_back(route->mailbox);
  }
  return way;
}

rt::Task<Result<model::QueueId>> Shard::enrol(NewMessage message, rt::Deadline deadline) {
  bound_texts(message);
  std::optional<Way> way = way_of(message);
  const Suspension* suspended = way.has_value() ? core_.suspension_of(way->hop.lane) : nullptr;
  const bool granted = way.has_value() && suspended == nullptr && dispatcher_.may_grant(way->hop);
  const Time now = core_.now();
  if (message.envelope.received_at == Time{}) message.envelope.received_at = now;

  kv::Batch& batch = core_.ledger.batch(Ledger::Way::intake);
  const model::QueueId id = core_.ledger.next_id(batch);
  std::vector<Taken> taken;
  Running::Token running;
  // What begins at once needs no place in memory; a full window delays what would have to wait.
  const bool is_full = core_.window.size() >= core_.values().get(kWindow);
  std::optional<model::QueueHappening> first;  // what happens to the rows within this commit
  if (granted) {
    running = core_.running.begin();
    first = dispatcher_.begin_of(way->hop, running.attempt());
  } else if (suspended != nullptr) {
    first = suspended_by(*suspended);
    way.reset();
  } else if (way.has_value()) {
    first = dispatcher_.closed_to(way->hop);  // they would only be written again to say so
    if (first.has_value() || is_full) way.reset();
  }
  std::vector<model::QueueRow> rows;
  Time soonest = Time::max();
  rows.reserve(message.recipients.size());
  for (model::Recipient& recipient : message.recipients) {
    const auto index = static_cast<uint32_t>(rows.size());
    model::QueueRow row =
        model::new_row(id, index, std::move(recipient), message.envelope, now, core_.policy());
    if (first.has_value()) {
      PH_CO_TRY(row, model::step(row, *first, now, core_.policy()));
    }
    soonest = std::min(soonest, row.next_action_at);
    rows.push_back(std::move(row));
    if (way.has_value()) {
      const Instant at = core_.home.now();
      taken.push_back(core_.window.take({id, index}, at, at + kWindowTime));
    }
  }
  Item item = clerk_.enroll(batch, std::move(message), std::move(rows));
  Status kept =
      co_await core_.ledger.commit(Ledger::Way::intake, Ledger::proof_of(item.facts), deadline);
  if (!kept.has_value()) co_return std::move(kept).error();
  core_.ledger.confirm(id);
  core_.figures.accepted.add();
  if (!way.has_value()) {
    if (soonest - now < rt::kIdleRecheck) scheduler_.hint();
    co_return id;
  }
  item.mailboxes = std::move(way->mailboxes);
  item.taken = std::move(taken);
  item.running = std::move(running);
  if (granted) {
    dispatcher_.grant(way->hop, std::move(item));
  } else if (core_.accepting_work) {
    const Dispatcher::Offer answer = dispatcher_.offer(way->hop, item);
    if (answer != Dispatcher::Offer::taken) scheduler_.hint();
  }
  co_return id;
}

}  // namespace ph::queue
