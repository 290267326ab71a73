#include "service/queue/detail/search.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "service/queue/detail/records.h"

namespace ph::queue {
namespace {

using model::QueueId;

constexpr size_t kRowsPage = 1000;
constexpr size_t kFactsPage = 500;
constexpr Duration kBelieved = Duration::hours(1);
// Ids are given before their commit: nothing younger is taken for the end of a front.
constexpr Duration kSettled = Duration::minutes(10);

bool contains(std::string_view text, std::string_view part) {
  return part.empty() || ifind(text, part) != std::string_view::npos;
}

bool asks_for_waiting(const ListFilter& filter) {
  return filter.state.has_value() ? !model::is_end(*filter.state) : !filter.with_ended;
}

bool asks_for_facts(const ListFilter& f) {
  return !f.sender.empty() || !f.subject.empty() || !f.message_id.empty() ||
         f.larger_than.has_value() || f.smaller_than.has_value();
}

bool matches(const RowGlance& row, const ListFilter& filter, Time now) {
  if (filter.state.has_value() ? row.state != *filter.state
                               : model::is_end(row.state) && !filter.with_ended) {
    return false;
  }
  if (filter.reason.has_value() && row.reason != *filter.reason) return false;
  if (!filter.lane.empty() && row.lane != filter.lane) return false;
  const Duration age = now - row.accepted_at;
  if (filter.older_than.has_value() && age < *filter.older_than) return false;
  if (filter.younger_than.has_value() && age > *filter.younger_than) return false;
  return contains(row.address, filter.recipient);
}

bool matches(const MessageFacts& facts, const ListFilter& filter) {
  const std::string& sender = facts.envelope.sender;
  if (filter.sender == "<>" ? !sender.empty() : !contains(sender, filter.sender)) return false;
  if (!filter.message_id.empty() && facts.message_id != filter.message_id) return false;
  const uint64_t size = facts.envelope.size_bytes;
  if (filter.larger_than.has_value() && size <= *filter.larger_than) return false;
  if (filter.smaller_than.has_value() && size >= *filter.smaller_than) return false;
  return contains(facts.subject, filter.subject);
}

// The messages' records in rising order of ids. The pages grow while they are used up, and shrink
// when most of what they hold is passed over.
class FactsWalk {
 public:
  explicit FactsWalk(Core& core) : core_(core) {}

  // nullptr: there is no such message, or its record cannot be read. Valid until the next call.
  rt::Task<Result<const MessageFacts*>> of(QueueId id) {
    if (known_ && facts_.id == id) co_return is_there_ ? &facts_ : nullptr;
    const std::string key = message_key(id);
    if (page_.empty() || page_.back().key < key) PH_CO_TRY_STATUS(co_await fetch(key));
    while (at_ < page_.size() && page_[at_].key < key) ++at_;
    known_ = true;
    is_there_ = false;
    facts_.id = id;
    if (at_ < page_.size() && page_[at_].key == key) {
      ++used_;
      auto facts = decode_message(id, page_[at_].value);
      is_there_ = facts.has_value();
      if (is_there_) facts_ = std::move(*facts);
    }
    co_return is_there_ ? &facts_ : nullptr;
  }

 private:
  rt::Task<Status> fetch(std::string from) {
    size_ = used_ * 2 > page_.size() ? std::min(kFactsPage, size_ * 2) : std::max<size_t>(used_, 1);
    kv::Range range = kv::prefix_range(kMessagePrefix);
    range.from = std::move(from);
    range.entries_max = size_;
    PH_CO_TRY(kv::Page page, co_await core_.ledger.partition().scan(std::move(range)));
    page_ = std::move(page.entries);
    at_ = 0;
    used_ = 0;
    co_return Status{};
  }

  Core& core_;
  std::vector<kv::Entry> page_;
  size_t at_ = 0;
  size_t used_ = 0;  // of the page
  size_t size_ = 1;
  MessageFacts facts_;
  bool known_ = false;
  bool is_there_ = false;
};

void say(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  if (!out.empty()) out += ", ";
  out.append(name).append(" ").append(printable(value, 100));
}

}  // namespace

std::string EndedFront::begin(Instant now) {
  if (now >= believed_until_) {
    up_to_ = QueueId{0};
    next_.clear();
    believed_until_ = now + kBelieved;
  }
  return up_to_.value == 0 ? std::string() : row_key(up_to_, 0);
}

bool EndedFront::is_at(std::string_view from, Instant now) {
  return now < believed_until_ && !next_.empty() && from == next_;
}

void EndedFront::pass(QueueId id, Time now) {
  const auto settled = (now - kSettled).unix_us();
  if (settled > 0 && model::number_of(id) < static_cast<uint64_t>(settled)) up_to_ = id;
}

rt::Task<Result<FoundPage>> search(Core& core, EndedFront& front, ListFilter filter,
                                   std::string from, SearchBounds bounds) {
  FoundPage out;
  FactsWalk facts_of(core);
  const Time now = core.now();
  const bool asks_facts = asks_for_facts(filter);
  const bool wants_facts = asks_facts || bounds.facts == SearchBounds::Facts::always;
  bool at_front = asks_for_waiting(filter) && (from.empty() || front.is_at(from, core.home.now()));
  if (at_front && from.empty()) from = front.begin(core.home.now());
  std::optional<kv::Range> range = kv::prefix_range(kRowPrefix);
  if (!from.empty()) range->from = from;
  size_t page_size = std::min(kRowsPage, bounds.rows_max + 1);  // a first page is to be quick
  while (range.has_value()) {
    range->entries_max = std::exchange(page_size, kRowsPage);
    PH_CO_TRY(kv::Page page, co_await core.ledger.partition().scan(std::move(*range)));
    const bool late = bounds.deadline.passed(core.home.now());
    for (const kv::Entry& entry : page.entries) {
      const bool enough =
          out.rows.size() >= bounds.rows_max || out.looked_at >= bounds.looked_at_max;
      if (enough || (late && out.looked_at > 0)) {
        out.next = entry.key;
        if (at_front) front.stop_at(entry.key);
        co_return std::move(out);
      }
      ++out.looked_at;
      const auto place = row_place(entry.key);
      const auto glance = place.has_value() ? glance_at_row(entry.value) : std::nullopt;
      if (!glance.has_value()) continue;
      at_front = at_front && model::is_end(glance->state);
      if (at_front) front.pass(place->id, now);
      if (!matches(*glance, filter, now)) continue;
      const MessageFacts* facts = nullptr;
      if (asks_facts) {
        PH_CO_TRY(facts, co_await facts_of.of(place->id));
        if (facts == nullptr || !matches(*facts, filter)) continue;
      }
      auto row = decode_row(*place, entry.value);
      if (!row.has_value()) continue;
      if (filter.priority.has_value() && row->priority != *filter.priority) continue;
      if (wants_facts && !asks_facts) {
        PH_CO_TRY(facts, co_await facts_of.of(place->id));
        if (facts == nullptr) continue;
      }
      out.rows.push_back({std::move(*row), facts != nullptr ? *facts : MessageFacts{}});
    }
    range = std::move(page.rest);
    co_await rt::yield(core.home);
  }
  co_return std::move(out);
}

std::string to_text(const ListFilter& f) {
  std::string out;
  if (f.state.has_value()) say(out, "state", model::to_text(*f.state));
  if (f.reason.has_value()) say(out, "reason", model::to_text(*f.reason));
  say(out, "lane", f.lane);
  say(out, "sender", f.sender);
  say(out, "recipient", f.recipient);
  say(out, "subject", f.subject);
  say(out, "message-id", f.message_id);
  if (f.older_than.has_value()) say(out, "older than", ph::to_text(*f.older_than));
  if (f.younger_than.has_value()) say(out, "younger than", ph::to_text(*f.younger_than));
  if (f.larger_than.has_value()) say(out, "larger than", std::to_string(*f.larger_than));
  if (f.smaller_than.has_value()) say(out, "smaller than", std::to_string(*f.smaller_than));
  if (f.priority.has_value()) say(out, "priority", model::to_text(*f.priority));
  return out.empty() ? "everything that waits" : out;
}

}  // namespace ph::queue
