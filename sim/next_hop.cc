#include "sim/next_hop.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "codec/smtp/server.h"
#include "service/wire/wire.h"
#include "sim/letter.h"

namespace ph::sim {
namespace {

constexpr Duration kPatience = Duration::minutes(5);
constexpr Duration kStall = Duration::minutes(30);
constexpr size_t kSessionsMax = 200;
constexpr std::array<std::string_view, 8> kStepNames = {
    "greeting", "hello", "tls", "handshake", "sender", "recipient", "data", "final"};
constexpr std::string_view kNoServerHello = "This is no ServerHello.\r\n";

}  // namespace

std::string_view to_text(HopStep step) { return kStepNames[static_cast<size_t>(step)]; }

std::optional<HopStep> hop_step_named(std::string_view name) {
  const auto at = std::ranges::find(kStepNames, name);
  if (at == kStepNames.end()) return std::nullopt;
  return static_cast<HopStep>(at - kStepNames.begin());
}

struct NextHop::Program {
  Program(rt::Runtime& r) : runtime(r) {}
  rt::Runtime& runtime;
  std::unique_ptr<rt::Listener> listener;
  std::unique_ptr<rt::Scope> scope;  // none while the door is closed

  void open(NextHop& hop) {
    if (scope != nullptr) return;
    rt::Loop& loop = *runtime.loops().front();
    auto listening = runtime.listen(loop, {.at = hop.host_.endpoint(kSmtpPort)});
    PH_CHECK(listening.has_value());
    listener = std::move(*listening);
    scope = std::make_unique<rt::Scope>(loop, "next hop");
    scope->spawn("accept", hop.accept_all(*this));
  }
  void close() {
    scope.reset();
    listener.reset();
  }
};

// One connection: the engine reads the peer, this answers by the hop's conduct of the moment.
class NextHop::Session {
 public:
  Session(NextHop& hop, rt::Loop& loop, std::unique_ptr<rt::Stream> stream)
      : hop_(hop), loop_(loop), wire_(std::move(stream)), engine_(options(hop)) {}

  rt::Task<void> run() {
    while (!over_) {
      const std::string_view input = admitted();
      const size_t taken = engine_.feed(input);
      octets_ += taken;
      bool moved = taken > 0;
      while (!over_) {
        const std::optional<smtp::ServerEvent> event = engine_.next();
        if (!event.has_value()) break;
        moved = true;
        const HopRule::Act act = on_event(*event);
        if (hop_.conduct_.think > Duration()) {
          co_await rt::sleep(loop_, loop_.in(hop_.conduct_.think), "a slow hop's thoughts");
        }
        if (act == HopRule::Act::drop) over_ = true;
        if (handshakes_ && act == HopRule::Act::answer) {
          co_await shake_hands();
          over_ = true;
        }
        if (act == HopRule::Act::stall) {
          co_await rt::sleep(loop_, loop_.in(kStall), "nothing, as a stalled hop does");
          over_ = true;
        }
      }
      if (over_) co_return;
      wire_.consume(taken);
      if (moved) continue;
      const Status shifted = co_await shift();
      if (!shifted.has_value()) co_return;
    }
  }

 private:
  static smtp::ServerOptions options(const NextHop& hop) {
    smtp::ServerOptions out;
    out.host = hop.name();
    out.offer_starttls = hop.conduct_.offers_tls;
    return out;
  }

  // The input up to where this hop drops the connection.
  std::string_view admitted() {
    const auto& limit = hop_.conduct_.drop_after_bytes;
    if (!limit) return wire_.input();
    if (octets_ >= *limit) {
      hop_.say_("drops the connection after " + std::to_string(octets_) + " octets");
      over_ = true;
      return {};
    }
    return wire_.input().substr(0, *limit - octets_);
  }

  // Says 220 and waits for the ClientHello; what follows is no TLS.
  rt::Task<void> shake_hands() {
    std::string out = engine_.take_output();
    const Status told = co_await wire_.send(std::move(out), loop_.in(kPatience));
    if (!told.has_value()) co_return;
    const auto heard = co_await wire_.fill(loop_.in(kPatience));
    if (!heard.has_value()) co_return;
    const HopRule::Act next = act(HopStep::handshake, {});
    if (next == HopRule::Act::drop) co_return;
    if (next == HopRule::Act::stall) {
      co_await rt::sleep(loop_, loop_.in(kStall), "nothing, as a stalled hop does");
      co_return;
    }
    hop_.say_("says in the clear what should be TLS");
    const Status sent = co_await wire_.send(std::string(kNoServerHello), loop_.in(kPatience));
    static_cast<void>(sent);  // the peer may have gone meanwhile
  }

  rt::Task<Status> shift() {
    if (engine_.has_output()) {
      std::string out = engine_.take_output();
      co_return co_await wire_.send(std::move(out), loop_.in(kPatience));
    }
    if (engine_.phase() == smtp::ServerPhase::closed) co_return fail(rt::kClosed);
    PH_CO_TRY(const wire::Filled filled, co_await wire_.fill(loop_.in(kPatience)));
    if (filled == wire::Filled::end_of_stream) co_return fail(rt::kClosed);
    co_return Status();
  }

  HopRule::Act on_event(const smtp::ServerEvent& event) {
    if (std::holds_alternative<smtp::Connected>(event)) return act(HopStep::greeting, {});
    if (std::holds_alternative<smtp::Hello>(event)) return act(HopStep::hello, {});
    if (std::holds_alternative<smtp::StartTls>(event)) {
      handshakes_ = !is_refusal(HopStep::tls, {});
      return act(HopStep::tls, {});
    }
    if (std::holds_alternative<smtp::MailFrom>(event)) {
      recipients_.clear();
      content_.clear();
      turn_ = hop_.next_turn();
      hop_.message_hook_();
      return act(HopStep::sender, {});
    }
    if (const auto* rcpt = std::get_if<smtp::RcptTo>(&event)) {
      const std::string address = smtp::to_text(rcpt->recipient.path);
      const bool wanted = !is_refusal(HopStep::recipient, address);
      if (wanted) recipients_.push_back(address);
      return act(HopStep::recipient, address);
    }
    if (std::holds_alternative<smtp::DataStart>(event)) return act(HopStep::data, {});
    if (const auto* chunk = std::get_if<smtp::DataChunk>(&event)) {
      content_ += chunk->content;
    } else if (const auto* end = std::get_if<smtp::DataEnd>(&event)) {
      if (end->fault != smtp::ContentFault::none) {
        hop_.say_("was sent a message with a fault");
        engine_.accept();  // the engine knows the fitting rejection
        return HopRule::Act::answer;
      }
      if (!is_refusal(HopStep::final, {})) hop_.take(marker_of(content_), recipients_);
      return act(HopStep::final, {});
    }
    return HopRule::Act::answer;
  }

  bool is_refusal(HopStep step, std::string_view recipient) {
    chosen_ = rule_at(step, recipient);
    has_chosen_ = true;
    return chosen_.has_value() && chosen_->act == HopRule::Act::answer &&
           chosen_->reply.is_negative();
  }

  std::optional<HopRule> rule_at(HopStep step, std::string_view recipient) {
    if (turn_.has_value() && turn_->step == step) return turn_;
    return hop_.rule_for(step, recipient);
  }

  HopRule::Act act(HopStep step, std::string_view recipient) {
    if (!std::exchange(has_chosen_, false)) chosen_ = rule_at(step, recipient);
    if (!chosen_.has_value()) {
      if (step != HopStep::handshake) engine_.accept();
      return HopRule::Act::answer;
    }
    switch (chosen_->act) {
      case HopRule::Act::answer:
        if (step == HopStep::handshake) break;  // there is no reply in a handshake
        hop_.say_("answers " + smtp::to_text(chosen_->reply) + " at " + std::string(to_text(step)));
        engine_.answer(chosen_->reply);
        break;
      case HopRule::Act::stall: hop_.say_("stalls at " + std::string(to_text(step))); break;
      case HopRule::Act::drop:
        hop_.say_("drops the connection at " + std::string(to_text(step)));
        break;
    }
    return chosen_->act;
  }

  NextHop& hop_;
  rt::Loop& loop_;
  wire::Wire wire_;
  smtp::Server engine_;
  uint64_t octets_ = 0;
  std::vector<std::string> recipients_;
  std::string content_;
  std::optional<HopRule> turn_;    // of the message at hand
  std::optional<HopRule> chosen_;  // by is_refusal, for the act() that follows
  bool has_chosen_ = false;
  bool handshakes_ = false;
  bool over_ = false;
};

NextHop::NextHop(rt_sim::Host& host, uint64_t seed, Say say)
    : host_(host), random_(seed), say_(std::move(say)) {
  host_.start([this](rt::Runtime& runtime) { return boot(runtime); });
}
NextHop::~NextHop() = default;

std::shared_ptr<void> NextHop::boot(rt::Runtime& runtime) {
  auto program = std::make_shared<Program>(runtime);
  if (door_ == Door::open) program->open(*this);
  return program;
}

void NextHop::set_door(Door door) {
  door_ = door;
  auto* program = host_.program<Program>();
  if (program == nullptr) return;
  if (door == Door::open) {
    program->open(*this);
  } else {
    program->close();
  }
}

void NextHop::heal() {
  conduct_ = HopConduct{};
  set_door(Door::open);
}

rt::Task<void> NextHop::accept_all(Program& program) {
  rt::Loop& loop = program.scope->loop();
  for (;;) {
    auto stream = co_await program.listener->accept(loop.in(rt::kIdleRecheck));
    if (stream.has_value()) {
      ++connections_;
      if (program.scope->active() <= kSessionsMax) {
        program.scope->spawn("session", serve(loop, std::move(*stream)));
      }
    } else if (!stream.error().is(rt::kTimedOut)) {
      const rt::Woken woken =
          co_await rt::sleep(loop, loop.in(Duration::milliseconds(100)), "another accept");
      if (woken == rt::Woken::cancelled) co_return;
    }
  }
}

rt::Task<void> NextHop::serve(rt::Loop& loop, std::unique_ptr<rt::Stream> stream) {
  Session session(*this, loop, std::move(stream));
  co_await session.run();
}

std::optional<HopRule> NextHop::next_turn() {
  std::deque<HopTurn>& turns = conduct_.turns;
  if (turns.empty()) return std::nullopt;
  HopTurn& turn = turns.front();
  std::optional<HopRule> rule;
  if (turn.kind == HopTurn::Kind::act) rule = turn.rule;
  if (--turn.count > 0) return rule;
  turns.pop_front();
  while (!turns.empty() && turns.front().kind == HopTurn::Kind::refuse) {
    refuse_dials_(turns.front().count);
    turns.pop_front();
  }
  return rule;
}

std::optional<HopRule> NextHop::rule_for(HopStep step, std::string_view recipient) {
  for (HopRule& rule : conduct_.rules) {
    if (rule.step != step || rule.times == 0) continue;
    if (!rule.recipient.empty() && !iequals(rule.recipient, recipient)) continue;
    if (rule.percent < 100 && !random_.chance(rule.percent)) continue;
    if (rule.times != UINT64_MAX) --rule.times;
    return rule;
  }
  return std::nullopt;
}

void NextHop::take(const std::string& marker, const std::vector<std::string>& recipients) {
  say_("takes " + (marker.empty() ? std::string("a message without a marker") : marker));
  if (loses_messages_) return;
  ++taken_total_;
  for (const std::string& recipient : recipients) ++taken_[{marker, to_lower(recipient)}];
}

size_t NextHop::taken(std::string_view marker, std::string_view recipient) const {
  size_t count = 0;
  for (const auto& [key, times] : taken_) {
    if (key.first != marker) continue;
    if (recipient.empty() || iequals(key.second, recipient)) count += times;
  }
  return count;
}

}  // namespace ph::sim
