#include "service/queue/detail/clerk.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "base/utf8_line.h"
#include "kv/errors.h"
#include "rt/bounded.h"
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
constexpr Duration kReportHang = Duration::seconds(45);  // the reporter has not kept its word
constexpr Duration kReportPause = Duration::seconds(60);
constexpr Duration kReportAgain = Duration::minutes(15);

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

bool names_every_row(const std::vector<RowChange>& changes) {
  return changes.size() == 1 && changes.front().index == kEveryRow;
}

std::vector<RowChange> change_for_each(const std::vector<QueueRow>& rows, const RowChange& change) {
  std::vector<RowChange> out;
  for (const QueueRow& row : rows) {
    if (model::is_end(row.state)) continue;
    out.push_back(change);
    out.back().index = row.index;
  }
  return out;
}

// What the sender is to be told of a row that has just become `row` (RFC 3461 section 4.1, 5.2).
std::optional<ReportAction> action_of(const QueueRow& row, const RowChange& change) {
  const model::Notify& notify = row.recipient.notify;
  const QueueEvent event = change.happening.event;
  if (notify.never) return std::nullopt;
  if (event == QueueEvent::tell_delay) return ReportAction::delayed;
  switch (row.state) {
    case QueueState::failed:
    case QueueState::expired:
      if (notify.wants_failure()) return ReportAction::failed;
      break;
    case QueueState::removed:  // by the clock or its report's: it was to be told of
      if (change.telling == Telling::with_report || event == QueueEvent::report ||
          event == QueueEvent::expire) {
        return ReportAction::failed;
      }
      break;
    case QueueState::delivered:
      if (notify.success) return ReportAction::delivered;
      break;
    case QueueState::relayed:
      // RFC 2852 section 4.1.4: who asked for a trace is told of each relay, whatever the next hop
      // promises; who must know by when, where the next hop cannot promise it.
      if (row.deliver_by.is_set() && row.deliver_by.trace) return ReportAction::relayed;
      if (change.onward == Onward::reports_end_here &&
          (notify.success || row.deliver_by.mode == model::DeliverBy::Mode::notify)) {
        return ReportAction::relayed;
      }
      break;
    case QueueState::expanded:
      // RFC 3461 section 5.2.7.2: an alias of one address only passes the request on.
      if (notify.success && event == QueueEvent::expand && change.members.size() > 1) {
        return ReportAction::expanded;
      }
      break;
    default: break;
  }
  return std::nullopt;
}

// The time is over that its report could wait: it ends now, told of or not.
bool is_last_call(const QueueRow& was, const RowChange& change) {
  return was.state == QueueState::reporting && change.happening.event == QueueEvent::expire;
}

bool is_lost(const QueueRow& row) {
  return row.state == QueueState::failed || row.state == QueueState::expired;
}

// The request that goes on with the members of an alias whose expansion is itself reported.
model::Notify without_success(model::Notify notify) {
  if (!notify.is_given()) return notify;
  notify.success = false;
  if (!notify.failure && !notify.delay) notify.never = true;
  return notify;
}

}  // namespace

void ReportBudget::charge(uint64_t per_minute) {
  tokens_ = std::max(tokens_ - 1, -static_cast<double>(std::max<uint64_t>(per_minute, 1)));
}

bool ReportBudget::take(uint64_t per_minute, Instant now) {
  const auto full = static_cast<double>(std::max<uint64_t>(per_minute, 1));
  const double passed =
      filled_at_.has_value() ? static_cast<double>((now - *filled_at_).us()) / 60e6 : 1;
  tokens_ = std::min(full, tokens_ + passed * full);
  filled_at_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Duration ReportBudget::wait(uint64_t per_minute) const {
  const double missing = std::max(1 - tokens_, 0.0);
  const double seconds = missing * 60 / static_cast<double>(std::max<uint64_t>(per_minute, 1));
  return Duration::seconds(1) + Duration::microseconds(static_cast<int64_t>(seconds * 1e6));
}

struct Clerk::Draft {
  model::QueueId id;
  MessageFacts facts;
  struct Pair {
    QueueRow was;
    QueueRow is;
    RowChange change;
    std::optional<ReportAction> action = std::nullopt;
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
  item.facts.subject = utf8_line(message.subject, kSubjectMax);
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
  if (names_every_row(changes)) changes = change_for_each(draft.rows, changes.front());
  step_rows(draft, changes);
  for (const RowChange& change : changes) {
    const bool expands = change.happening.event == QueueEvent::expand ||
                         change.happening.event == QueueEvent::redirect;
    if (!expands) continue;
    const auto at = std::ranges::find(draft.changed, change.index,
                                      [](const Draft::Pair& p) { return p.was.index; });
    if (at == draft.changed.end()) continue;
    const QueueRow parent = at->is;
    PH_CO_TRY_STATUS(co_await expand(draft, change, parent));
  }
  Applied applied{draft.changed.size(), draft.refusal};
  if (draft.changed.empty()) co_return std::move(applied);
  budget(draft);
  PH_CO_TRY_STATUS(co_await report(draft, deadline));
  Status written = co_await write(draft, deadline);
  if (!written.has_value() && draft.report.has_value() && written.error().is(kv::kDiskFull)) {
    put_off(draft, {QueueReason::disk_full, kReportPause});
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
  if (names_every_row(changes)) {
    PH_CO_TRY(draft.rows, co_await core_.ledger.rows(draft.id, 0, draft.facts.recipients));
    co_return Status{};
  }
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

// Never a report on a report, nor on anything else from the null reverse-path (RFC 5321 section
// 4.5.5); of a report that cannot be delivered the postmaster hears, and of that nobody.
std::optional<ReportAction> Clerk::told_of(const Draft& draft, const QueueRow& is,
                                           const RowChange& change) const {
  const model::Envelope& envelope = draft.facts.envelope;
  if (!envelope.has_null_sender()) return action_of(is, change);
  const bool ours = envelope.origin == model::Origin::report;
  if (!ours || !is_lost(is) || !core_.values().get(kDoubleBounce)) return std::nullopt;
  return ReportAction::failed;
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
    Draft::Pair pair{*row, std::move(*next), change};
    pair.action = told_of(draft, pair.is, change);
    draft.changed.push_back(std::move(pair));
  }
}

// The members of an alias become recipients of the same message, unless they are already. Beyond
// the limits the alias itself fails: it would go round, or be a flood.
rt::Task<Status> Clerk::expand(Draft& draft, const RowChange& change, const QueueRow& parent) {
  PH_CO_TRY(const std::vector<QueueRow> present,
            co_await core_.ledger.rows(draft.id, 0, kRecipientsMax));
  const Time now = core_.now();
  // An alias may come round to an address that has had its turn; an administrator who names one
  // wants it to get the message, unless it has it.
  const bool is_redirect = change.happening.event == QueueEvent::redirect;
  const auto is_there = [&](std::string_view address) {
    const auto same = [&](const QueueRow& r) {
      const bool counts = !is_redirect || !model::is_end(r.state) ||
                          r.state == QueueState::delivered || r.state == QueueState::relayed;
      return counts && iequals(r.recipient.address, address);
    };
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
    at->change.happening = failure;
    at->action = told_of(draft, at->is, at->change);
    co_return Status{};
  }
  const bool tells = action_of(parent, change) == ReportAction::expanded;
  for (const std::string& member : change.members) {
    if (is_there(member)) continue;
    model::Recipient recipient = parent.recipient;
    if (recipient.original_address.empty()) {
      recipient.original_type = "rfc822";
      recipient.original_address = recipient.address;
    }
    recipient.address = member;
    recipient.via.clear();
    if (tells) recipient.notify = without_success(recipient.notify);
    QueueRow row = model::child_row(parent, draft.facts.recipients, std::move(recipient), now);
    ++draft.facts.recipients;
    ++draft.facts.open;
    draft.added.push_back(std::move(row));
  }
  co_return Status{};
}

// Failures that have no place in the budget wait for their turn, but not beyond their time.
void Clerk::budget(Draft& draft) {
  const auto tells = [](const Draft::Pair& p) { return p.action.has_value(); };
  const auto can_wait = [](const Draft::Pair& p) {
    return p.action == ReportAction::failed && !is_last_call(p.was, p.change);
  };
  if (std::ranges::none_of(draft.changed, tells)) return;
  const uint64_t per_minute = core_.share(kReportsPerMinute);
  if (budget_.take(per_minute, core_.home.now())) return;
  if (std::ranges::none_of(draft.changed, can_wait)) {
    budget_.charge(per_minute);
    return;
  }
  put_off(draft, {QueueReason::report_budget, budget_.wait(per_minute)});
}

rt::Task<Status> Clerk::report(Draft& draft, rt::Deadline deadline) {
  const model::Envelope& envelope = draft.facts.envelope;
  ReportWork work{
      .to = envelope.has_null_sender() ? ReportTo::postmaster : ReportTo::sender,
      .id = draft.id,
      .envelope = envelope,
      .message_id = draft.facts.message_id,
      .rows = {},
      .content = Content(core_.ports.store, draft.facts.blob, draft.facts.envelope.size_bytes)};
  for (const Draft::Pair& pair : draft.changed) {
    if (pair.action.has_value()) work.rows.push_back({*pair.action, pair.is});
  }
  if (work.rows.empty()) co_return Status{};
  const rt::Deadline patience = core_.home.in(kReportTime).earlier(deadline);
  auto writing = core_.ports.reporter.write(core_.home, std::move(work), patience);
  std::optional<Report> made = co_await rt::bounded(core_.home, "a delivery report",
                                                    std::move(writing), core_.home.in(kReportHang));
  if (!made.has_value() || made->bytes == nullptr) {
    core_.ports.log.error("queue.report_failed", {{"id", model::to_text(draft.id)}});
    put_off(draft, {QueueReason::internal_error, kReportAgain});
    co_return Status{};
  }
  draft.report = std::move(*made);
  co_return Status{};
}

void Clerk::enroll_report(kv::Batch& batch, const Draft& draft) {
  const Time now = core_.now();
  const bool to_sender = draft.report->recipient.empty();
  NewMessage message;
  message.envelope.received_at = now;
  message.envelope.mt_priority = draft.facts.envelope.mt_priority;
  message.envelope.smtp_utf8 = draft.facts.envelope.smtp_utf8;
  // A report on a lost report is of another origin: with it the chain ends.
  message.envelope.origin = to_sender ? model::Origin::report : model::Origin::internal;
  message.raw = draft.report->bytes;
  message.message_id = draft.report->message_id;
  message.subject = draft.report->subject;
  model::Recipient to{.address = to_sender ? draft.facts.envelope.sender : draft.report->recipient,
                      .notify = {.never = true}};
  const model::QueueId id = core_.ledger.next_id(batch);
  message.handover_id = report_handover_id(draft.id, id);
  std::vector<QueueRow> rows{
      model::new_row(id, 0, std::move(to), message.envelope, now, core_.policy())};
  enroll(batch, std::move(message), std::move(rows));
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
  if (draft.report.has_value()) enroll_report(batch, draft);
  Proof proof = Ledger::proof_of(draft.changed.front().is);
  co_return co_await ledger.commit(way, std::move(proof), deadline);
}

// The report cannot be written now. What has come to its end rests until it can, so that its sender
// will be told; who was to hear of a delay hears of it later.
void Clerk::put_off(Draft& draft, Wait wait) {
  draft.report.reset();
  draft.facts.ended_at = {};
  const Time now = core_.now();
  for (Draft::Pair& pair : draft.changed) {
    if (!pair.action.has_value()) continue;
    if (pair.action == ReportAction::delayed) {
      pair.is = model::postpone_notice(pair.was, now + wait.length + kReportPause);
      pair.action.reset();
      continue;
    }
    pair.action.reset();
    if (is_last_call(pair.was, pair.change)) {
      core_.ports.log.error("queue.report_lost", {{"id", model::to_text(pair.is.id)},
                                                  {"recipient", pair.is.recipient.address},
                                                  {"reason", model::to_text(wait.reason)}});
      continue;
    }
    // The members of an alias go on; that they do is not worth keeping the alias for.
    if (pair.is.state == QueueState::expanded) continue;
    QueueHappening happening{.event = QueueEvent::await_report,
                             .reason = pair.is.reason,
                             .replies = pair.change.happening.replies,
                             .until = now + wait.length,
                             .end_state = pair.is.state,
                             .wait_reason = wait.reason};
    auto next = model::step(pair.was, happening, now, core_.policy());
    PH_CHECK(next.has_value());
    if (model::is_end(pair.is.state)) ++draft.facts.open;
    pair.is = std::move(*next);
  }
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
    if (pair.was.state == QueueState::in_flight && pair.is.state != QueueState::in_flight) {
      core_.figures.attempt_ended(pair.is);
    }
    if (model::is_end(pair.is.state)) core_.figures.row_ended(pair.is.state);
    if (is_lost(pair.is) && draft.facts.envelope.origin == model::Origin::report) {
      core_.figures.reports_lost.add();
    }
    const bool is_news = pair.was.state != pair.is.state || pair.was.reason != pair.is.reason;
    const bool rests_again =
        pair.is.state == QueueState::ready || pair.is.state == QueueState::in_flight;
    if (!is_news || rests_again) continue;
    core_.ports.log.info("queue.row", {{"id", model::to_text(pair.is.id)},
                                       {"recipient", pair.is.recipient.address},
                                       {"state", model::to_text(pair.is.state)},
                                       {"reason", model::to_text(pair.is.reason)},
                                       {"lane", pair.is.lane}});
  }
  if (draft.report.has_value()) core_.figures.reports.add();
  hint(draft);
}

// The scheduler sleeps until the time that it knew of, at most kIdleRecheck: what comes sooner it
// must hear of.
void Clerk::hint(const Draft& draft) {
  const Time sleeps_until = core_.now() + rt::kIdleRecheck;
  const bool soon = std::ranges::any_of(draft.changed, [&](const Draft::Pair& p) {
    if (model::is_end(p.is.state)) return p.is.state == QueueState::expanded;
    return p.is.next_action_at < sleeps_until;
  });
  if (draft.report.has_value() || soon) core_.hint_work();
}

}  // namespace ph::queue
