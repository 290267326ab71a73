// Searches a shard's table for the rows that fit a filter.
//
// One walk in the order of the rows' keys, bounded by rows found, rows looked at, and time. A row
// is decoded only as far as the filter asks: most are refused after a glance. What is asked of the
// messages (sender, subject, size) comes from a second walk over their records beside the first,
// since both are in the order of ids; where few rows get so far, single records are read instead.
#pragma once

#include <string>
#include <vector>

#include "service/queue/detail/core.h"

namespace ph::queue {

struct FoundRow {
  model::QueueRow row;
  MessageFacts facts;  // but for SearchBounds::Facts::if_asked without need
};

struct SearchBounds {
  size_t rows_max = 100;
  size_t looked_at_max = 20'000;
  rt::Deadline deadline;
  enum class Facts : uint8_t { always, if_asked } facts = Facts::always;
};

struct FoundPage {
  std::vector<FoundRow> rows;
  uint64_t looked_at = 0;
  std::string next;  // the row key to go on with, "" at the end
};

// How far from the table's front everything has ended: searches for waiting rows begin there,
// instead of passing all that is kept of former days each time. Ended rows do not come back, and a
// message whose rows have all ended gets no new ones; still, it is not believed for long.
class EndedFront {
 public:
  std::string begin(Instant now);
  bool is_at(std::string_view from, Instant now);
  void pass(model::QueueId id, Time now);
  void stop_at(std::string next) { next_ = std::move(next); }

 private:
  model::QueueId up_to_{0};  // every message before it has ended
  std::string next_;         // where a search that passed only ended rows has stopped
  Instant believed_until_;
};

rt::Task<Result<FoundPage>> search(Core& core, EndedFront& front, ListFilter filter,
                                   std::string from, SearchBounds bounds);

// For the audit log: "state held, lane smtp:example.net".
std::string to_text(const ListFilter& filter);

}  // namespace ph::queue
