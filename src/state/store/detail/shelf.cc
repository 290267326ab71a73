// One loop's mailboxes: opening, closing, and the time of their submissions.
//
// A Slot without a mailbox is being opened by an activity of the shelf, so that an opening goes on
// when whoever asked first has given up; all who ask meanwhile wait at one gate. Closing destroys a
// mailbox at once: that is safe because only one that nobody uses and that has nothing on its way
// is closed, and because nothing durable depends on an activity's end.
#include "state/store/detail/shelf.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

constexpr std::string_view kPrefix = "mailbox/";
constexpr size_t kLookingMax = 64;
constexpr size_t kMailboxesMax = 10'000'000;
constexpr Duration kTidyEvery = Duration::seconds(10);

obs::Gauge& gauge(const Parts& parts, const rt::Loop& loop, std::string_view name) {
  return parts.metrics.gauge(name, "loop=\"" + std::to_string(loop.index()) + "\"");
}

}  // namespace

Shelf::Shelf(const Parts& parts, rt::Loop& loop, const Options& options)
    : parts_(parts),
      loop_(loop),
      options_(options),
      set_aside_(parts.metrics.counter("posthorn_store_records_set_aside_total")),
      open_gauge_(gauge(parts, loop, "posthorn_store_open_mailboxes")),
      index_gauge_(gauge(parts, loop, "posthorn_store_index_bytes")),
      summary_gauge_(gauge(parts, loop, "posthorn_store_summaries")),
      submission_gauge_(gauge(parts, loop, "posthorn_store_mailboxes_with_submissions")),
      summaries_(options.summaries_max),
      opened_(loop),
      clock_(loop),
      scope_(loop, "mailboxes") {}

Shelf::~Shelf() = default;

bool Shelf::may_close(const Slot& slot) const {
  return slot.mailbox != nullptr && slot.refs == 0 && !slot.mailbox->inside().busy();
}

// Room for one more, if need be by closing the one that has been idle longest.
bool Shelf::make_room() {
  while (slots_.size() >= options_.open_mailboxes_max) {
    auto oldest = slots_.end();
    for (auto at = slots_.begin(); at != slots_.end(); ++at) {
      if (!may_close(at->second)) continue;
      if (oldest == slots_.end() || at->second.idle_since < oldest->second.idle_since) oldest = at;
    }
    if (oldest == slots_.end()) return false;
    slots_.erase(oldest);
    ++closed_count_;
  }
  return true;
}

rt::Task<Result<MailboxRef>> Shelf::open(MailboxId id, rt::Deadline deadline) {
  for (bool asked = false;;) {
    if (stopping_) co_return fail(kStopping, "the mailboxes are closing");
    const auto at = slots_.find(id);
    if (at != slots_.end() && at->second.mailbox != nullptr) {
      ++at->second.refs;
      co_return MailboxRef(*this, *at->second.mailbox);
    }
    if (at == slots_.end()) {
      const auto error = errors_.find(id);
      if (asked && error != errors_.end()) co_return error->second;
      if (!make_room()) co_return fail(kBusy, "too many mailboxes are in use");
      errors_.erase(id);
      slots_[id];
      scope_.spawn("open a mailbox", opener(id));
    }
    asked = true;
    const rt::Woken woken = co_await opened_.wait(deadline, "a mailbox to be opened");
    if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, "opening a mailbox");
    if (woken == rt::Woken::deadline) co_return fail(kTimedOut, "the mailbox is still opening");
  }
}

rt::Task<void> Shelf::opener(MailboxId id) {
  Surroundings around{
      parts_.kv,        loop_,      parts_.entropy,
      parts_.transport, parts_.log, options_,
      set_aside_,       summaries_, [this](MailboxId changed) { note_clock(changed); }};
  auto inside = std::make_unique<Mailbox::Inside>(id, std::move(around));
  const Status done = co_await inside->open();
  if (done.has_value()) {
    Slot& slot = slots_.at(id);
    slot.mailbox = std::make_unique<Mailbox>(std::move(inside));
    slot.idle_since = loop_.now();
    slot.mailbox->inside().spawn_activities();
    ++opened_count_;
    note_clock(id);
  } else {
    parts_.log.warning("store.mailbox_not_opened",
                       {{"mailbox", id.value}, {"why", done.error().to_text()}});
    slots_.erase(id);
    errors_.insert_or_assign(id, done.error());
    if (errors_.size() > options_.open_mailboxes_max) errors_.erase(errors_.begin());
  }
  opened_.open();
}

void Shelf::release(Mailbox& mailbox) {
  const auto at = slots_.find(mailbox.id());
  PH_CHECK(at != slots_.end());
  PH_CHECK(at->second.refs > 0);
  --at->second.refs;
  at->second.idle_since = loop_.now();
}

void Shelf::note_clock(MailboxId id) {
  const auto at = slots_.find(id);
  if (at == slots_.end() || at->second.mailbox == nullptr) return;
  const std::optional<Time> next = at->second.mailbox->inside().next_submission_look();
  set_look(id, next);
}

void Shelf::set_look(MailboxId id, std::optional<Time> when) {
  const auto known = looks_.find(id);
  if (known != looks_.end()) {
    if (when == known->second) return;
    looks_in_order_.erase({known->second, id});
    looks_.erase(known);
  }
  if (!when.has_value()) return;
  looks_[id] = *when;
  looks_in_order_.insert({*when, id});
  clock_.wake();
}

void Shelf::hint(MailboxId id, SubmissionId submission) {
  if (stopping_ || !started_) return;
  scope_.spawn("a hint from transport", pass_hint(id, submission));
}

rt::Task<void> Shelf::pass_hint(MailboxId id, SubmissionId submission) {
  const rt::Deadline deadline = loop_.in(rt::kIdleRecheck);
  const auto mailbox = co_await open(id, deadline);
  if (mailbox.has_value()) (**mailbox).hint(submission);
}

rt::Task<void> Shelf::look(MailboxId id) {
  const rt::Deadline deadline = loop_.in(rt::kIdleRecheck);
  const auto mailbox = co_await open(id, deadline);
  looking_.erase(id);
  if (mailbox.has_value()) {
    (**mailbox).inside().look_at_submissions();
    note_clock(id);
  } else {
    set_look(id, loop_.wall() + rt::kIdleRecheck);
  }
  clock_.wake();
}

// Starts the looks that are due; how long until the next.
Duration Shelf::spawn_due_looks() {
  const Time now = loop_.wall();
  while (!looks_in_order_.empty() && looking_.size() < kLookingMax) {
    const auto [when, id] = *looks_in_order_.begin();
    if (when > now) return std::min(kTidyEvery, when - now);
    set_look(id, now + rt::kIdleRecheck);  // until the look itself has set it
    if (!looking_.insert(id).second) continue;
    scope_.spawn("look at submissions", look(id));
  }
  return kTidyEvery;
}

rt::Task<void> Shelf::keep_time() {
  for (;;) {
    const Duration wait = spawn_due_looks();
    if (loop_.now() >= next_tidy_) {
      next_tidy_ = loop_.now() + kTidyEvery;
      close_idle();
      drop_idle_indexes();
      show_figures();
    }
    const rt::Woken woken = co_await clock_.park(loop_.in(wait), "the next submission's time");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

void Shelf::close_idle() {
  const Instant now = loop_.now();
  closed_count_ += std::erase_if(slots_, [&](const auto& item) {
    return may_close(item.second) && now - item.second.idle_since >= options_.close_idle_after;
  });
}

void Shelf::drop_idle_indexes() {
  const Instant now = loop_.now();
  size_t total = 0;
  for (auto& [id, slot] : slots_) {
    if (slot.mailbox == nullptr) continue;
    slot.mailbox->inside().drop_idle_indexes(now - options_.close_idle_after);
    total += slot.mailbox->inside().index_bytes();
  }
  for (auto& [id, slot] : slots_) {
    if (total <= options_.idle_index_bytes_max) break;
    if (slot.mailbox == nullptr) continue;
    const size_t before = slot.mailbox->inside().index_bytes();
    slot.mailbox->inside().drop_idle_indexes(now);
    total -= before - slot.mailbox->inside().index_bytes();
  }
  index_gauge_.set(static_cast<int64_t>(total));
}

void Shelf::show_figures() {
  open_gauge_.set(static_cast<int64_t>(slots_.size()));
  summary_gauge_.set(static_cast<int64_t>(summaries_.size()));
  submission_gauge_.set(static_cast<int64_t>(looks_.size()));
}

rt::Task<Status> Shelf::start(size_t place, size_t loops) {
  if (started_) co_return Status();
  started_ = true;
  PH_CO_TRY(const std::vector<std::string> names, parts_.kv.partitions(kPrefix, kMailboxesMax));
  std::vector<MailboxId> ids;
  for (const std::string& name : names) {
    const auto number = parse_u64(std::string_view(name).substr(kPrefix.size()));
    if (number.has_value() && *number % loops == place) {
      ids.push_back(MailboxId{*number});
    }
  }
  scope_.spawn("keep the submissions' time", keep_time());
  scope_.spawn("look after a start", look_after_start(std::move(ids)));
  co_return Status();
}

// Opens each mailbox once: what it was doing goes on, and its submissions' times become known.
rt::Task<void> Shelf::look_after_start(std::vector<MailboxId> ids) {
  for (const MailboxId id : ids) {
    for (;;) {
      const rt::Deadline deadline = loop_.in(rt::kIdleRecheck);
      const auto mailbox = co_await open(id, deadline);
      if (mailbox.has_value() || mailbox.error().disposition() != Disposition::transient) break;
      const rt::Woken woken =
          co_await rt::sleep(loop_, loop_.in(Duration::seconds(1)), "a mailbox to be openable");
      if (woken == rt::Woken::cancelled || stopping_) co_return;
    }
  }
}

rt::Task<Status> Shelf::stop(rt::Deadline deadline) {
  stopping_ = true;
  scope_.cancel();
  for (;;) {
    const bool is_idle = scope_.active() == 0 && std::ranges::all_of(slots_, [](const auto& item) {
                           const Slot& slot = item.second;
                           return slot.refs == 0 && (slot.mailbox == nullptr ||
                                                     !slot.mailbox->inside().writer.busy());
                         });
    if (is_idle || deadline.passed(loop_.now())) break;
    const rt::Woken woken = co_await rt::sleep(loop_, loop_.in(Duration::milliseconds(20)),
                                               "mailboxes to come to rest");
    if (woken == rt::Woken::cancelled) break;
  }
  const bool in_use =
      std::ranges::any_of(slots_, [](const auto& item) { return item.second.refs > 0; });
  if (in_use) co_return fail(kTimedOut, "mailboxes are still in use");
  slots_.clear();
  co_return Status();
}

MailboxesFigures Shelf::figures() const {
  MailboxesFigures out;
  for (const auto& [id, slot] : slots_) {
    if (slot.mailbox != nullptr) ++out.open;
    if (slot.refs > 0) ++out.in_use;
  }
  out.submissions_waiting = looks_.size();
  out.opened = opened_count_;
  out.closed = closed_count_;
  out.set_aside = set_aside_.value();
  return out;
}

MailboxRef& MailboxRef::operator=(MailboxRef&& other) noexcept {
  std::swap(shelf_, other.shelf_);
  std::swap(mailbox_, other.mailbox_);
  return *this;
}

MailboxRef::~MailboxRef() {
  if (mailbox_ != nullptr) shelf_->release(*mailbox_);
}

Mailboxes::Mailboxes(Parts parts, Options options) : options_(options) {
  PH_CHECK(!parts.loops.empty());
  for (rt::Loop* loop : parts.loops) {
    shelves_.push_back(std::make_unique<Shelf>(parts, *loop, options_));
    loops_.push_back(loop);
  }
}

Mailboxes::~Mailboxes() = default;

size_t Mailboxes::place_of(MailboxId id) const { return id.value % loops_.size(); }

rt::Loop& Mailboxes::home_of(MailboxId id) const { return *loops_[place_of(id)]; }

rt::Task<Result<MailboxRef>> Mailboxes::open(MailboxId id, rt::Deadline deadline) {
  return shelves_[place_of(id)]->open(id, deadline);
}

size_t Mailboxes::place_of(const rt::Loop& loop) const {
  const auto at = std::ranges::find(loops_, &loop);
  PH_CHECK(at != loops_.end());
  return static_cast<size_t>(at - loops_.begin());
}

rt::Task<Status> Mailboxes::start(rt::Loop& loop, rt::Deadline) {
  const size_t place = place_of(loop);
  return shelves_[place]->start(place, loops_.size());
}

rt::Task<Status> Mailboxes::stop(rt::Loop& loop, rt::Deadline deadline) {
  return shelves_[place_of(loop)]->stop(deadline);
}

MailboxesFigures Mailboxes::figures(rt::Loop& loop) const {
  return shelves_[place_of(loop)]->figures();
}

void Mailboxes::hint(MailboxId id, SubmissionId submission) {
  Shelf* shelf = shelves_[place_of(id)].get();
  home_of(id).post([shelf, id, submission] { shelf->hint(id, submission); });
}

}  // namespace ph::store
