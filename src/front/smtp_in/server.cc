#include "front/smtp_in/server.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/reply.h"
#include "front/smtp_in/detail/session.h"
#include "front/smtp_in/errors.h"
#include "front/smtp_in/network_list.h"
#include "front/smtp_in/options.h"
#include "rt/errors.h"

namespace ph::smtp_in {
namespace {

constexpr Duration kHandshakeMax = Duration::seconds(60);
constexpr Duration kTurnAwayMax = Duration::seconds(5);
constexpr Duration kAcceptPause = Duration::milliseconds(200);

constexpr config::TextSetting with_check(config::TextSetting s) {
  s.valid = [](std::string_view text) { return NetworkList::problem_with(text); };
  return s;
}
constexpr config::TextSetting kCheckedRelayNetworks = with_check(kRelayNetworks);

// A keyword of EHLO (RFC 5321 section 4.1.1.1).
std::string profile_problem(std::string_view text) {
  const auto fits = [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; };
  if (text.size() <= 32 && std::ranges::all_of(text, fits)) return {};
  return "'" + printable(text, 32) + "' is no name like STANAG4406";
}
constexpr config::TextSetting checked_profile(config::TextSetting s) {
  s.valid = profile_problem;
  return s;
}
constexpr config::TextSetting kCheckedPriorityProfile = checked_profile(kPriorityProfile);

}  // namespace

void add_settings(config::Schema& schema) {
  schema.add(kMessageSizeMax);
  schema.add(kRecipientsMax);
  schema.add(kHopsMax);
  schema.add(kOwnHopsMax);
  schema.add(kPriorityMax);
  schema.add(kUserPriorityMax);
  schema.add(kCheckedPriorityProfile);
  schema.add(kDeliverByMin);
  schema.add(kHoldMax);
  schema.add(kConnectionsMax);
  schema.add(kConnectionsPerIpMax);
  schema.add(kMemoryMax);
  schema.add(kCommandTimeout);
  schema.add(kDataTimeout);
  schema.add(kSessionMax);
  schema.add(kCheckedRelayNetworks);
  schema.add(kSenderMustMatch);
}

Server::Server(Parts parts, rt::Loop& loop, config::Source& settings)
    : parts_(std::move(parts)),
      loop_(loop),
      settings_(settings),
      accepted_(parts_.metrics.counter("posthorn_smtp_connections_accepted")),
      turned_away_(parts_.metrics.counter("posthorn_smtp_connections_turned_away")),
      listening_(loop, "smtp listeners"),
      sessions_(loop, "smtp sessions") {}

Server::~Server() = default;

Status Server::listen(const rt::Endpoint& at, Service service) {
  rt::ListenOptions options{at, 1024, rt::ListenOptions::Sharing::with_other_loops};
  PH_TRY(std::unique_ptr<rt::Listener> listener, parts_.runtime.listen(loop_, std::move(options)));
  listeners_.push_back(std::move(listener));
  listening_.spawn("smtp accepts", accept_all(*listeners_.back(), service));
  return {};
}

std::vector<rt::Endpoint> Server::endpoints() const {
  std::vector<rt::Endpoint> out;
  for (const auto& listener : listeners_) out.push_back(listener->local());
  return out;
}

rt::Task<Status> Server::drain(rt::Deadline deadline) {
  draining_ = true;
  listening_.cancel();
  for (const auto& listener : listeners_) listener->close();
  for (wire::Wire* wire : talking_) wire->nudge();
  co_return co_await sessions_.join(deadline);
}

rt::Task<void> Server::accept_all(rt::Listener& listener, Service service) {
  for (;;) {
    auto stream = co_await listener.accept(loop_.in(rt::kIdleRecheck));
    if (stream.has_value()) {
      const config::Values& values = settings_.current();
      const Gate::Limits limits{values.get(kConnectionsMax), values.get(kConnectionsPerIpMax)};
      std::optional<Gate::Place> place = parts_.gate.enter((*stream)->peer().host, limits);
      if (!place.has_value()) {
        turned_away_.add();
        // In implicit TLS nothing can be said before a handshake: the connection just ends.
        if (service == Service::submission_tls) continue;
        sessions_.spawn("smtp turn away", turn_away(std::move(*stream)));
        continue;
      }
      accepted_.add();
      sessions_.spawn("smtp session", serve(std::move(*stream), service, std::move(*place)));
      continue;
    }
    if (stream.error().is(rt::kCancelled) || stream.error().is(rt::kClosed)) co_return;
    if (stream.error().is(rt::kTimedOut)) continue;
    parts_.log.warning("smtp.accept_failed", {{"why", stream.error().to_text()}});
    co_await rt::sleep(loop_, loop_.in(kAcceptPause), "another accept");
  }
}

rt::Task<void> Server::turn_away(std::unique_ptr<rt::Stream> stream) {
  std::string text;
  smtp::append_reply(text, replies::kTooManyConnections);
  const Status sent = co_await stream->write(text, loop_.in(kTurnAwayMax));
  static_cast<void>(sent);  // told or not, the connection ends
}

rt::Task<Status> Server::shake_hands(wire::Wire& wire) {
  const std::shared_ptr<const tls::Context> context = parts_.tls();
  if (context == nullptr) co_return fail(rt::kTls, "no certificate");
  co_return co_await wire.start_tls(tls::Engine::server(*context), loop_.in(kHandshakeMax));
}

rt::Task<void> Server::serve(std::unique_ptr<rt::Stream> stream, Service service,
                             Gate::Place place) {
  const Gate::Place held = std::move(place);
  wire::Wire wire(std::move(stream));
  if (service == Service::submission_tls) {
    const Status shaken = co_await shake_hands(wire);
    if (!shaken.has_value()) {
      parts_.log.debug("smtp.handshake_failed", {{"why", shaken.error().to_text()}});
      co_return;
    }
  }
  struct Talking {
    std::set<wire::Wire*>& all;
    wire::Wire* one;
    ~Talking() { all.erase(one); }
  };
  talking_.insert(&wire);
  const Talking talking{talking_, &wire};
  Session session(parts_, settings_, wire, service, draining_);
  co_await session.run();
}

}  // namespace ph::smtp_in
