#include "service/queue/detail/clerk.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "kv/errors.h"
#include "rt/deadline.h"
#include "service/queue/detail/records.h"

namespace ph::queue {
namespace {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr size_t kFollowPage = 500;
constexpr uint32_t kExpansionsMax = 10;
constexpr Duration kReportTime = Duration::seconds(30);

bool is_success(QueueEvent event) {
  return event == QueueEvent::deliver || event == QueueEvent::relay;
}

// A result of an attempt that is not the row's any more counts only if it says that the message
// arrived, and no other attempt runs.
bool is_too_late(const QueueRow& row, const RowChange& change, uint64_t owner) {
  if (change.lease.has_value() && row.lease != *change.lease) return true;
  if (change.attempt == 0) return false;
  if (row.state == QueueState::in_flight && row.lease.owner == owner &&
      row.lease.attempt == change.attempt) {
    return false;
  }
  return !is_success(change.happening.event) || row.state == QueueState::in_flight;
}

bool wants_report(const QueueRow& row) {
  return (row.state == QueueState::failed || row.state == QueueState::expired) &&
         row.recipient.notify.wants_failure() && !row.recipient.notify.never;
}

}  // namespace

struct Clerk::Draft {
  model::QueueId id;
  MessageFacts facts;
  struct Pair {
    QueueRow was;
    QueueRow is;
  };
  std::vector<QueueRow> rows;  // as they are now, those the changes name
  std::vector<Pair> changed;
  std::vector<QueueRow> added;
  std::optional<Report> report;
  std::string refusal;
};

Item Clerk::enroll(kv::Batch& batch, NewMessage message, std::vector<QueueRow> rows) {
  Item item;
  item.facts.id = rows.front().id;
  item.facts.envelope = std::move(message.envelope);
  item.facts.envelope.size_bytes = message.raw->size();
  item.facts.message_id = normal_message_id(message.message_id);
  item.facts.handover_id = std::move(message.handover_id);
  item.facts.blob = kv::blob_id_of(*message.raw);
  item.facts.recipients = static_cast<uint32_t>(rows.size());
  item.facts.open = item.facts.recipients;
  item.watch = core_.ledger.watch(item.facts.id);
  const bool keeps = message.raw->size() <= kHeldBytesMax;
  item.content = Content(core_.ports.store, item.facts.blob, message.raw->size(),
                         keeps ? message.raw : nullptr);
  core_.ledger.add_message(batch, item.facts, std::move(message.raw));
  for (const QueueRow& row : rows) core_.ledger.add_row(batch, row);
  item.rows = std::move(rows);
  item.watch.refresh();
  return item;
}

rt::Task<Result<Applied>> Clerk::apply(model::QueueId id, std::vector<RowChange> changes,
                                       const Item* known, rt::Deadline deadline) {
  PH_CO_TRY(const MessageGuard guard, co_await core_.ledger.guard(id, deadline));
  Draft draft;
  draft.id = id;
  PH_CO_TRY_STATUS(co_await read(draft, changes, known));
  step_rows(draft, changes);
  for (const RowChange& change : changes) {
    if (change.happening.event != QueueEvent::expand) continue;
    const auto at = std::ranges::find(draft.changed, change.index,
                                      [](const Draft::Pair& p) { return p.was.index; });
    if (at == draft.changed.end()) continue;
    const QueueRow parent = at->is;
    PH_CO_TRY_STATUS(co_await expand(draft, change, parent));
  }
  Applied applied{draft.changed.size(), draft.refusal};
  if (draft.changed.empty()) co_return std::move(applied);
  PH_CO_TRY_STATUS(co_await report(draft, deadline));
  Status written = co_await write(draft, deadline);
  if (!written.has_value() && draft.report.has_value() && written.error().is(kv::kDiskFull)) {
    put_off(draft);
    if (draft.changed.empty()) co_return std::move(written).error();
    written = co_await write(draft, deadline);
  }
  if (!written.has_value()) co_return std::move(written).error();
  count(draft);
  co_return std::move(applied);
}

rt::Task<Status> Clerk::read(Draft& draft, const std::vector<RowChange>& changes,
                             const Item* known) {
  if (known != nullptr && known->watch.is_fresh()) {
    draft.facts = known->facts;
    draft.rows = known->rows;
    co_return Status{};
  }
  PH_CO_TRY(draft.facts, co_await core_.ledger.message(draft.id));
  for (const RowChange& change : changes) {
    auto row = co_await core_.ledger.row(draft.id, change.index);
    if (row.has_value()) {
      draft.rows.push_back(std::move(*row));
    } else if (!row.error().is(kNoSuchMessage) && !row.error().is(kUndecodable)) {
      co_return std::move(row).error();
    }
  }
  co_return Status{};
}

void Clerk::step_rows(Draft& draft, const std::vector<RowChange>& changes) {
  const Time now = core_.now();
  for (const RowChange& change : changes) {
    const auto row = std::ranges::find(draft.rows, change.index, &QueueRow::index);
    if (row == draft.rows.end()) continue;
    if (is_too_late(*row, change, core_.incarnation)) {
      draft.refusal = "the attempt is over";
      continue;
    }
    auto next = model::step(*row, change.happening, now, core_.policy());
    if (!next.has_value()) {
      draft.refusal = next.error().context();
      continue;
    }
    if (model::is_end(next->state)) {
      PH_CHECK(draft.facts.open > 0);
      --draft.facts.open;
    }
    draft.changed.push_back({*row, std::move(*next)});
  }
}

// The members of an alias become recipients of the same message, unless they are already. Beyond
// the limits the alias itself fails: it would go round, or be a flood.
rt::Task<Status> Clerk::expand(Draft& draft, const RowChange& change, const QueueRow& parent) {
  PH_CO_TRY(const std::vector<QueueRow> present,
            co_await core_.ledger.rows(draft.id, 0, kRecipientsMax));
  const Time now = core_.now();
  const auto is_there = [&](std::string_view address) {
    const auto same = [&](const QueueRow& r) { return iequals(r.recipient.address, address); };
    return std::ranges::any_of(present, same) || std::ranges::any_of(draft.added, same);
  };
  const bool too_deep = parent.expansions >= kExpansionsMax;
  const bool too_many = draft.facts.recipients + change.members.size() > kRecipientsMax;
  if (too_deep || too_many) {
    const auto at = std::ranges::find(draft.changed, parent.index,
                                      [](const Draft::Pair& p) { return p.was.index; });
    QueueHappening failure{.event = QueueEvent::fail_for_good, .reason = QueueReason::routing_loop};
    failure.replies.push_back({.when = now,
                               .stage = model::Stage::route,
                               .enhanced = {5, 4, 6},
                               .text = "The alias expands too far."});
    PH_CO_TRY(at->is, model::step(at->was, failure, now, core_.policy()));
    co_return Status{};
  }
  for (const std::string& member : change.members) {
    if (is_there(member)) continue;
    model::Recipient recipient = parent.recipient;
    if (recipient.original_address.empty()) {
      recipient.original_type = "rfc822";
      recipient.original_address = recipient.address;
    }
    recipient.address = member;
    QueueRow row =
        model::new_row(draft.id, draft.facts.recipients, std::move(recipient), now, core_.policy());
    row.accepted_at = parent.accepted_at;
    row.expires_at = parent.expires_at;
    row.next_action_at = std::min(row.next_action_at, row.expires_at);
    row.expansions = parent.expansions + 1;
    ++draft.facts.recipients;
    ++draft.facts.open;
    draft.added.push_back(std::move(row));
  }
  co_return Status{};
}

// Never a report on a report, nor on anything else from the null reverse-path (RFC 5321 §4.5.5).
rt::Task<Status> Clerk::report(Draft& draft, rt::Deadline deadline) {
  if (draft.facts.envelope.has_null_sender()) co_return Status{};
  ReportWork work{
      .id = draft.id,
      .envelope = draft.facts.envelope,
      .message_id = draft.facts.message_id,
      .rows = {},
      .content = Content(core_.ports.store, draft.facts.blob, draft.facts.envelope.size_bytes)};
  for (const Draft::Pair& pair : draft.changed) {
    if (wants_report(pair.is)) work.rows.push_back(pair.is);
  }
  if (work.rows.empty()) co_return Status{};
  Report made = co_await core_.ports.reporter.failure(core_.home, std::move(work),
                                                      core_.home.in(kReportTime).earlier(deadline));
  if (made.bytes == nullptr) co_return fail(kBusy, "the report could not be made");
  draft.report = std::move(made);
  co_return Status{};
}

rt::Task<Status> Clerk::write(Draft& draft, rt::Deadline deadline) {
  Ledger& ledger = core_.ledger;
  const auto way = draft.report.has_value() ? Ledger::Way::intake : Ledger::Way::changes;
  const Time now = core_.now();
  kv::Batch& batch = ledger.batch(way);
  bool facts_changed = !draft.added.empty();
  for (const Draft::Pair& pair : draft.changed) {
    ledger.change_row(batch, pair.was, pair.is);
    facts_changed = facts_changed || model::is_end(pair.is.state);
  }
  for (const QueueRow& row : draft.added) ledger.add_row(batch, row);
  if (facts_changed) ledger.settle_message(batch, draft.facts, now);
  if (draft.report.has_value()) {
    NewMessage message;
    message.envelope.received_at = now;
    message.envelope.origin = model::Origin::report;
    message.raw = draft.report->bytes;
    message.message_id = draft.report->message_id;
    model::Recipient to{.address = draft.facts.envelope.sender, .notify = {.never = true}};
    const model::QueueId id = ledger.next_id(batch);
    std::vector<QueueRow> rows{model::new_row(id, 0, std::move(to), now, core_.policy())};
    enroll(batch, std::move(message), std::move(rows));
  }
  Proof proof = Ledger::proof_of(draft.changed.front().is);
  co_return co_await ledger.commit(way, std::move(proof), deadline);
}

// No room for the report: what failed waits instead, so that its sender will be told.
void Clerk::put_off(Draft& draft) {
  draft.report.reset();
  draft.facts.ended_at = {};
  const Time now = core_.now();
  QueueHappening wait{.event = QueueEvent::fail_for_now, .reason = QueueReason::disk_full};
  std::vector<Draft::Pair> kept;
  for (Draft::Pair& pair : draft.changed) {
    if (!wants_report(pair.is)) {
      kept.push_back(std::move(pair));
      continue;
    }
    ++draft.facts.open;
    auto next = model::step(pair.was, wait, now, core_.policy());
    if (next.has_value()) kept.push_back({std::move(pair.was), std::move(*next)});
  }
  draft.changed = std::move(kept);
}

rt::Task<void> Clerk::follow(std::vector<RowName> names, Derive derive) {
  std::vector<MessageGuard> guards;
  std::vector<QueueRow> rows;
  for (const RowName& name : names) {
    MessageGuard guard;
    const bool ours = !rows.empty() && rows.back().id == name.id;
    if (!ours) guard = core_.ledger.try_guard(name.id);
    if (!ours && !guard.is_held()) continue;
    auto row = co_await core_.ledger.row(name.id, name.index);
    if (!row.has_value()) continue;
    rows.push_back(std::move(*row));
    if (!ours) guards.push_back(std::move(guard));
  }
  if (rows.empty()) co_return;
  Proof proof;
  for (const QueueRow& row : rows) {
    const QueueRow next = derive(row);
    if (next == row) continue;
    core_.ledger.change_row(core_.ledger.batch(Ledger::Way::changes), row, next);
    proof = Ledger::proof_of(next);
  }
  if (proof.key.empty()) co_return;
  Status done = co_await core_.ledger.commit(Ledger::Way::changes, std::move(proof),
                                             core_.home.in(kStoreTime));
  if (!done.has_value()) {
    core_.ports.log.warning("queue.rows_not_followed", {{"error", done.error().to_text()}});
  }
}

rt::Task<void> Clerk::follow_all(Derive derive) {
  std::optional<kv::Range> range = kv::prefix_range(kRowPrefix);
  while (range.has_value()) {
    range->entries_max = kFollowPage;
    auto page = co_await core_.ledger.partition().scan(std::move(*range));
    if (!page.has_value()) co_return;  // rows keep their old clocks, and expiry ends them all
    std::vector<RowName> behind;
    for (const kv::Entry& entry : page->entries) {
      const auto place = row_place(entry.key);
      const auto row = place.has_value() ? decode_row(*place, entry.value) : std::nullopt;
      if (row.has_value() && derive(*row) != *row) behind.push_back({place->id, place->index});
    }
    co_await follow(std::move(behind), derive);
    range = std::move(page->rest);
    co_await rt::yield(core_.home);
  }
}

void Clerk::count(const Draft& draft) {
  for (const Draft::Pair& pair : draft.changed) {
    switch (pair.is.state) {
      case QueueState::delivered: core_.figures.delivered.add(); break;
      case QueueState::relayed: core_.figures.relayed.add(); break;
      case QueueState::failed: core_.figures.failed.add(); break;
      case QueueState::expired: core_.figures.expired.add(); break;
      case QueueState::waiting_retry: core_.figures.transient.add(); break;
      default: break;
    }
    if (model::is_end(pair.is.state) || pair.is.state == QueueState::waiting_retry) {
      core_.ports.log.info("queue.row", {{"id", model::to_text(pair.is.id)},
                                         {"recipient", pair.is.recipient.address},
                                         {"state", model::to_text(pair.is.state)},
                                         {"reason", model::to_text(pair.is.reason)},
                                         {"lane", pair.is.lane}});
    }
  }
  // The scheduler sleeps until the time that it knew of, at most kIdleRecheck: what comes sooner it
  // must hear of.
  const Time sleeps_until = core_.now() + rt::kIdleRecheck;
  const bool soon = std::ranges::any_of(draft.changed, [&](const Draft::Pair& p) {
    if (model::is_end(p.is.state)) return p.is.state == QueueState::expanded;
    return p.is.next_action_at < sleeps_until;
  });
  if (draft.report.has_value()) core_.figures.reports.add();
  if (draft.report.has_value() || soon) core_.hint_work();
}

}  // namespace ph::queue
