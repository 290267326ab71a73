#include "front/smtp_out/detail/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "rt/errors.h"

namespace ph::smtp_out {

model::Stage stage_of(smtp::Stage stage) {
  switch (stage) {
    case smtp::Stage::greeting:
    case smtp::Stage::hello:
    case smtp::Stage::idle:
    case smtp::Stage::quit:
    case smtp::Stage::closed: return model::Stage::greeting;
    case smtp::Stage::tls: return model::Stage::tls;
    case smtp::Stage::auth: return model::Stage::auth;
    case smtp::Stage::sender: return model::Stage::sender;
    case smtp::Stage::recipients: return model::Stage::recipient;
    case smtp::Stage::data_start:
    case smtp::Stage::content: return model::Stage::data;
    case smtp::Stage::final: return model::Stage::final;
  }
  return model::Stage::greeting;
}

model::ReplyRecord record_of(const smtp::Reply& reply, model::Stage stage, std::string host,
                             Time now) {
  model::ReplyRecord out;
  out.when = now;
  out.host = std::move(host);
  out.stage = stage;
  out.code = reply.code;
  out.enhanced = {reply.enhanced.kind, reply.enhanced.subject, reply.enhanced.detail};
  out.text = reply.text;
  return model::bounded(std::move(out));
}

bool says_crowded(const smtp::Reply& reply) {
  constexpr std::array<std::string_view, 2> kWhat{"connection", "session"};
  constexpr std::array<std::string_view, 6> kTooMany{"too many", "concurrent", "simultaneous",
                                                     "exceed",   "maximum",    "limit"};
  const auto has = [&](std::string_view word) {
    return ifind(reply.text, word) != std::string_view::npos;
  };
  return reply.is_negative() && std::ranges::any_of(kWhat, has) &&
         std::ranges::any_of(kTooMany, has);
}

Connection::Connection(const Parts& parts, rt::Loop& loop, wire::Wire wire, std::string peer,
                       smtp::ClientOptions options)
    : parts_(parts),
      loop_(loop),
      wire_(std::move(wire)),
      peer_(std::move(peer)),
      engine_(std::move(options)) {}

rt::Deadline Connection::phase_deadline() const {
  const config::Values& values = parts_.settings(loop_).current();
  const bool final = engine_.phase() == smtp::Stage::final;
  return loop_.in(values.get(final ? kFinalTimeout : kCommandTimeout));
}

rt::Task<Status> Connection::flush(rt::Deadline deadline) {
  while (engine_.has_output()) {
    std::string out = engine_.take_output();
    const Status sent = co_await wire_.send(std::move(out), deadline.earlier(phase_deadline()));
    if (sent.has_value()) continue;
    loss_ = sent.error().is(rt::kTimedOut) ? model::QueueReason::timed_out
                                           : model::QueueReason::connection_lost;
    co_await hear();  // who could not be written to may have said why before
    engine_.lost(sent.error().to_text());
    co_return sent;
  }
  co_return Status();
}

rt::Task<void> Connection::hear() {
  const Result<wire::Filled> filled = co_await wire_.fill(rt::Deadline::at(loop_.now()));
  static_cast<void>(filled);  // what it read is in input()
  const size_t taken = engine_.feed(wire_.input());
  wire_.consume(taken);
}

rt::Task<bool> Connection::is_still_good() {
  if (over_ || engine_.phase() != smtp::Stage::idle || !wire_.input().empty()) co_return false;
  const Result<wire::Filled> filled = co_await wire_.fill(rt::Deadline::at(loop_.now()));
  co_return filled.has_value() ? *filled == wire::Filled::nudged : filled.error().is(rt::kTimedOut);
}

rt::Task<smtp::ClientEvent> Connection::next(rt::Deadline deadline) {
  for (;;) {
    std::optional<smtp::ClientEvent> event = engine_.next();
    if (event.has_value()) {
      if (std::holds_alternative<smtp::Lost>(*event)) over_ = true;
      if (std::holds_alternative<smtp::Closed>(*event)) over_ = true;
      co_return std::move(*event);
    }
    if (engine_.phase() == smtp::Stage::closed) {
      over_ = true;
      co_return smtp::Closed{};
    }
    const size_t taken = engine_.feed(wire_.input());
    wire_.consume(taken);
    if (taken > 0) continue;
    if (engine_.has_output()) {
      const Status flushed = co_await flush(deadline);
      static_cast<void>(flushed);  // a failure is an event of the engine now
      continue;
    }
    const rt::Deadline patience = deadline.earlier(phase_deadline());
    const Result<wire::Filled> filled = co_await wire_.fill(patience);
    if (!filled.has_value()) {
      const bool timed_out = filled.error().is(rt::kTimedOut);
      loss_ = timed_out ? model::QueueReason::timed_out : model::QueueReason::connection_lost;
      engine_.lost(timed_out ? "no answer in time" : filled.error().to_text());
    } else if (*filled == wire::Filled::end_of_stream) {
      engine_.lost("the peer closed the connection");
    }
  }
}

rt::Task<Status> Connection::start_tls(tls::Engine engine, rt::Deadline deadline) {
  const Status shaken =
      co_await wire_.start_tls(std::move(engine), deadline.earlier(phase_deadline()));
  if (shaken.has_value()) {
    engine_.tls_started();
  } else {
    over_ = true;
  }
  co_return shaken;
}

Fault Connection::fault_of(const smtp::Lost& lost) const {
  Fault fault;
  fault.reason = loss_;
  const model::Stage stage = stage_of(lost.stage);
  if (lost.reply.has_value()) {
    fault.reason =
        lost.reply->is_permanent() ? model::QueueReason::peer_5xx : model::QueueReason::peer_4xx;
    fault.reply = record_of(*lost.reply, stage, peer_, loop_.wall());
  } else {
    fault.reply = record_of({0, {}, lost.reason}, stage, peer_, loop_.wall());
  }
  return fault;
}

}  // namespace ph::smtp_out
