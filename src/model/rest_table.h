// Rest tables (law 2): everything that can rest somewhere in Posthorn has one constexpr table of
// its states and edges, and the compiler refuses a table in which something could be forgotten.
//
// A resting state says which clock ends it (a sentence), which event that clock raises, and what an
// operator reads. An edge says: from this state, on this event, to that state, for these reasons.
// problem_of() is run by static_assert on every table; it answers "" or the first fault:
//   - names are unique, not empty, and none is "unknown" or "other"
//   - every resting state has a clock, and an edge for the event its clock raises
//   - every resting state has an edge for the event that ends its life (expiry)
//   - every state can be reached from the start, and from every state an end can be reached
//   - no edge leaves an end, and every edge names its reasons
// Docs, the commands' legends and metric labels are made from the same table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <tuple>

namespace ph::model {

// A set of the values of a small closed enumeration (values below 64).
template <class E>
class EnumSet {
 public:
  constexpr EnumSet() = default;
  constexpr EnumSet(std::initializer_list<E> items) {
    for (const E item : items) bits_ |= bit(item);
  }
  constexpr bool has(E item) const { return (bits_ & bit(item)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr EnumSet operator|(EnumSet other) const {
    EnumSet out;
    out.bits_ = bits_ | other.bits_;
    return out;
  }

 private:
  static constexpr uint64_t bit(E item) { return uint64_t{1} << static_cast<unsigned>(item); }
  uint64_t bits_ = 0;
};

enum class Rest : uint8_t { resting, end };

template <class State, class Event>
struct RestState {
  State state;
  std::string_view name;
  Rest rest = Rest::resting;
  std::string_view clock;     // resting: what next_action_at is, for people
  Event timer{};              // resting: the event raised when the clock ends
  std::string_view sentence;  // what an operator reads
};

template <class State, class Event, class Reason>
struct RestEdge {
  State from;
  Event on;
  State to;
  EnumSet<Reason> reasons;
};

template <class State, class Event, class Reason, size_t States, size_t Edges>
struct RestTable {
  using StateType = State;
  std::array<RestState<State, Event>, States> states;  // in the order of the enumeration
  std::array<RestEdge<State, Event, Reason>, Edges> edges;
  State start;
  EnumSet<Reason> start_reasons;
  Event expiry;

  constexpr const RestState<State, Event>& row(State s) const {
    return states[static_cast<size_t>(s)];
  }
  constexpr bool is_end(State s) const { return row(s).rest == Rest::end; }
  constexpr bool has_edge(State from, Event on) const {
    for (const auto& e : edges) {
      if (e.from == from && e.on == on) return true;
    }
    return false;
  }
  constexpr bool allows(State from, Event on, State to, Reason reason) const {
    for (const auto& e : edges) {
      if (e.from == from && e.on == on && e.to == to && e.reasons.has(reason)) return true;
    }
    return false;
  }
  // Reasons with which a row may rest in `s`.
  constexpr EnumSet<Reason> reasons_in(State s) const {
    EnumSet<Reason> out = s == start ? start_reasons : EnumSet<Reason>();
    for (const auto& e : edges) {
      if (e.to == s) out = out | e.reasons;
    }
    return out;
  }
};

namespace detail {

template <class Table>
constexpr std::string_view state_problem(const Table& t) {
  for (size_t i = 0; i < t.states.size(); ++i) {
    const auto& s = t.states[i];
    if (static_cast<size_t>(s.state) != i) return "states are not in the order of their values";
    if (s.name.empty() || s.sentence.empty()) return "a state without a name or sentence";
    if (s.name == "unknown" || s.name == "other") return "a state that says nothing";
    for (size_t j = 0; j < i; ++j) {
      if (t.states[j].name == s.name) return "two states of one name";
    }
    if (s.rest == Rest::end) continue;
    if (s.clock.empty()) return "a resting state without a clock";
    if (!t.has_edge(s.state, s.timer)) return "a resting state without an edge for its timer";
    if (!t.has_edge(s.state, t.expiry)) return "a resting state that cannot expire";
  }
  return {};
}

template <class Table>
constexpr std::string_view edge_problem(const Table& t) {
  for (size_t i = 0; i < t.edges.size(); ++i) {
    const auto& e = t.edges[i];
    if (e.reasons.empty()) return "an edge without a reason";
    if (t.is_end(e.from)) return "an edge that leaves an end";
    for (size_t j = 0; j < i; ++j) {
      const auto& f = t.edges[j];
      if (f.from == e.from && f.on == e.on && f.to == e.to) return "an edge told twice";
    }
  }
  return {};
}

enum class Towards : uint8_t { ends, start };

// Whether following edges (forwards from the start, or backwards from the ends) finds every state.
template <class Table>
constexpr bool finds_all(const Table& t, Towards towards) {
  std::array<bool, std::tuple_size_v<decltype(t.states)>> found{};
  for (size_t i = 0; i < found.size(); ++i) {
    found[i] =
        towards == Towards::ends ? t.states[i].state == t.start : t.states[i].rest == Rest::end;
  }
  for (size_t round = 0; round < found.size(); ++round) {
    for (const auto& e : t.edges) {
      const size_t near = static_cast<size_t>(towards == Towards::ends ? e.from : e.to);
      const size_t far = static_cast<size_t>(towards == Towards::ends ? e.to : e.from);
      if (found[near]) found[far] = true;
    }
  }
  for (const bool f : found) {
    if (!f) return false;
  }
  return true;
}

}  // namespace detail

template <class Table>
constexpr std::string_view problem_of(const Table& t) {
  if (const auto p = detail::state_problem(t); !p.empty()) return p;
  if (const auto p = detail::edge_problem(t); !p.empty()) return p;
  if (!detail::finds_all(t, detail::Towards::ends)) return "a state that cannot be reached";
  if (!detail::finds_all(t, detail::Towards::start))
    return "a state from which no end can be reached";
  return {};
}

}  // namespace ph::model
