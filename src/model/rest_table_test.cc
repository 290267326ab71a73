#include "model/rest_table.h"

#include <gtest/gtest.h>

#include "model/queue_states.h"

namespace ph::model {
namespace {

enum class S : uint8_t { a, b, end };
enum class E : uint8_t { tick, finish, expire };
enum class R : uint8_t { why };

using Table = RestTable<S, E, R, 3, 5>;

constexpr Table good() {
  return {.states = {{{S::a, "a", Rest::resting, "soon", E::tick, "It rests."},
                      {S::b, "b", Rest::resting, "later", E::tick, "It rests more."},
                      {S::end, "end", Rest::end, "", {}, "It is over."}}},
          .edges = {{{S::a, E::tick, S::b, {R::why}},
                     {S::a, E::expire, S::end, {R::why}},
                     {S::b, E::tick, S::a, {R::why}},
                     {S::b, E::finish, S::end, {R::why}},
                     {S::b, E::expire, S::end, {R::why}}}},
          .start = S::a,
          .start_reasons = {R::why},
          .expiry = E::expire};
}

TEST(RestTable, ASoundTableHasNoProblem) {
  static_assert(problem_of(good()).empty());
  EXPECT_EQ(problem_of(good()), "");
}

TEST(RestTable, EachWayToForgetSomethingIsFound) {
  Table t = good();
  t.states[1].clock = "";
  EXPECT_EQ(problem_of(t), "a resting state without a clock");
  t = good();
  t.states[1].name = "a";
  EXPECT_EQ(problem_of(t), "two states of one name");
  t = good();
  t.states[1].name = "unknown";
  EXPECT_EQ(problem_of(t), "a state that says nothing");
  t = good();
  t.edges[2] = t.edges[3];
  t.edges[2].on = E::expire;
  t.edges[2].to = S::a;
  EXPECT_EQ(problem_of(t), "a resting state without an edge for its timer");
  t = good();
  t.edges[4].on = E::tick;
  EXPECT_EQ(problem_of(t), "a resting state that cannot expire");
  t = good();
  t.edges[0].reasons = {};
  EXPECT_EQ(problem_of(t), "an edge without a reason");
  t = good();
  t.edges[3].from = S::end;
  EXPECT_EQ(problem_of(t), "an edge that leaves an end");
  t = good();
  t.edges[3] = t.edges[4];
  EXPECT_EQ(problem_of(t), "an edge told twice");
  t = good();
  t.edges[0].to = S::a;
  EXPECT_EQ(problem_of(t), "a state that cannot be reached");
  t = good();
  t.edges[1].to = S::b;
  t.edges[3].to = S::b;
  t.edges[4].to = S::b;
  EXPECT_EQ(problem_of(t), "a state that cannot be reached");
}

TEST(QueueTable, NamesGoBothWays) {
  for (const auto& row : kQueueTable.states) {
    EXPECT_EQ(queue_state_named(row.name), row.state);
    EXPECT_EQ(queue_state_from(static_cast<uint64_t>(row.state)), row.state);
  }
  for (uint64_t n = 0; n < kQueueReasons; ++n) {
    const auto reason = queue_reason_from(n);
    ASSERT_TRUE(reason.has_value());
    EXPECT_EQ(queue_reason_named(to_text(*reason)), reason);
    EXPECT_TRUE(sentence_of(*reason).ends_with('.'));
  }
  EXPECT_FALSE(queue_state_from(kQueueStates).has_value());
  EXPECT_FALSE(queue_reason_from(kQueueReasons).has_value());
}

}  // namespace
}  // namespace ph::model
