// The clerk writes down what happened: it takes the message's guard, steps the rows through the
// rest table, and commits them together with everything that follows from it in the same commit:
// the message's end, new rows for the members of an alias, the delivery report for what failed.
#pragma once

#include <functional>
#include <vector>

#include "service/queue/detail/core.h"

namespace ph::queue {

// Instead of a row's index: every row of the message that has not ended when its guard is taken, so
// that members which an alias has just got are not left out.
inline constexpr uint32_t kEveryRow = UINT32_MAX;

struct RowChange {
  uint32_t index = 0;
  model::QueueHappening happening;
  uint64_t attempt = 0;  // not 0: the result of this attempt, which may come too late
  std::optional<model::Lease> lease{};       // when set: only if the row has this one
  std::vector<std::string> members{};        // expand, redirect
  Onward onward = Onward::reports_end_here;  // relay
  Telling telling = Telling::silently;       // remove
};

// How many reports may be written now: so many a minute, saved up for a minute. Reports of failures
// wait when there is none left; others are written and paid later.
class ReportBudget {
 public:
  bool take(uint64_t per_minute, Instant now);
  // Of what is written without waiting; the debt is at most a minute's.
  void charge(uint64_t per_minute);
  // When one more may be written, at the earliest.
  Duration wait(uint64_t per_minute) const;

 private:
  double tokens_ = 0;
  std::optional<Instant> filled_at_;
};

struct Applied {
  size_t changed = 0;
  std::string refusal;  // why the last one of those that were not changed was not
};

class Clerk {
 public:
  explicit Clerk(Core& core) : core_(core) {}

  // A new message's rows and facts, written to `batch` (of Way::intake).
  Item enroll(kv::Batch& batch, NewMessage message, std::vector<model::QueueRow> rows);

  // `known` may hold copies of the rows; they are used if they are fresh.
  rt::Task<Result<Applied>> apply(model::QueueId id, std::vector<RowChange> changes,
                                  const Item* known, rt::Deadline deadline);

  // Derives the clocks of these rows anew, by a function of the row alone (model::follow_policy,
  // follow_clock). Rows that someone else changes just now are left out: they follow by themselves,
  // or the next sweep finds them.
  using Derive = std::function<model::QueueRow(const model::QueueRow&)>;
  rt::Task<void> follow(std::vector<RowName> names, Derive derive);
  // The same for every row of the table.
  rt::Task<void> follow_all(Derive derive);

 private:
  struct Draft;
  rt::Task<Status> read(Draft& draft, const std::vector<RowChange>& changes, const Item* known);
  void step_rows(Draft& draft, const std::vector<RowChange>& changes);
  rt::Task<Status> expand(Draft& draft, const RowChange& change, const model::QueueRow& parent);
  std::optional<ReportAction> told_of(const Draft& draft, const model::QueueRow& is,
                                      const RowChange& change) const;
  void budget(Draft& draft);
  rt::Task<Status> report(Draft& draft, rt::Deadline deadline);
  void enroll_report(kv::Batch& batch, const Draft& draft);
  rt::Task<Status> write(Draft& draft, rt::Deadline deadline);
  struct Wait {
    model::QueueReason reason;
    Duration length;
  };
  void put_off(Draft& draft, Wait wait);
  void count(const Draft& draft);
  void hint(const Draft& draft);

  Core& core_;
  ReportBudget budget_;
};

}  // namespace ph::queue
