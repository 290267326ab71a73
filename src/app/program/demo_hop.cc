#include "app/program/demo_hop.h"

#include <utility>

#include "codec/smtp/mailbox.h"
#include "codec/smtp/server.h"
#include "service/wire/wire.h"

namespace ph::app {
namespace {

constexpr Duration kPatience = Duration::minutes(5);
constexpr size_t kSessionsMax = 1000;
constexpr smtp::FixedReply kDefer{451, {4, 3, 0}, "Not now, says the demo's next hop"};
constexpr smtp::FixedReply kRefuse{550, {5, 1, 1}, "Never, says the demo's next hop"};

// The envelope of the message that is coming in.
struct Incoming {
  std::string sender;
  std::string recipients;
};

void on_event(smtp::Server& engine, Incoming& incoming, const DemoHop::Taken& taken,
              const smtp::ServerEvent& event) {
  if (const auto* mail = std::get_if<smtp::MailFrom>(&event)) {
    incoming = {smtp::to_text(mail->sender), {}};
    engine.accept();
  } else if (const auto* rcpt = std::get_if<smtp::RcptTo>(&event)) {
    const smtp::Path& path = rcpt->recipient.path;
    if (path.local.starts_with("defer")) {
      engine.answer(kDefer);
    } else if (path.local.starts_with("refuse")) {
      engine.answer(kRefuse);
    } else {
      incoming.recipients += (incoming.recipients.empty() ? "" : ", ") + smtp::to_text(path);
      engine.accept();
    }
  } else if (const auto* end = std::get_if<smtp::DataEnd>(&event)) {
    if (end->fault == smtp::ContentFault::none) {
      taken(incoming.sender, incoming.recipients, end->size);
    }
    engine.accept();
  } else if (std::holds_alternative<smtp::Connected>(event) ||
             std::holds_alternative<smtp::Hello>(event) ||
             std::holds_alternative<smtp::DataStart>(event)) {
    engine.accept();
  }
}

}  // namespace

DemoHop::DemoHop(rt::Runtime& runtime, rt::Loop& loop, Taken taken)
    : runtime_(runtime), loop_(loop), taken_(std::move(taken)), scope_(loop, "demo hop") {}
DemoHop::~DemoHop() = default;

Status DemoHop::listen(const rt::Endpoint& at) {
  PH_TRY(listener_, runtime_.listen(loop_, rt::ListenOptions{at}));
  scope_.spawn("demo hop accepts", accept_all());
  return {};
}

rt::Task<void> DemoHop::accept_all() {
  for (;;) {
    auto stream = co_await listener_->accept(loop_.in(rt::kIdleRecheck));
    if (stream.has_value()) {
      if (scope_.active() <= kSessionsMax) {
        scope_.spawn("demo hop session", serve(std::move(*stream)));
      }
      continue;
    }
    const rt::Woken woken =
        co_await rt::sleep(loop_, loop_.in(Duration::milliseconds(50)), "another accept");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

rt::Task<void> DemoHop::serve(std::unique_ptr<rt::Stream> stream) {
  wire::Wire wire(std::move(stream));
  smtp::ServerOptions options;
  options.host = "next-hop.demo.invalid";
  smtp::Server engine(std::move(options));
  Incoming incoming;
  for (;;) {
    const size_t taken = engine.feed(wire.input());
    bool moved = taken > 0;
    while (const std::optional<smtp::ServerEvent> event = engine.next()) {
      moved = true;
      on_event(engine, incoming, taken_, *event);
    }
    wire.consume(taken);
    if (moved) continue;
    if (engine.has_output()) {
      const Status sent = co_await wire.send(engine.take_output(), loop_.in(kPatience));
      if (!sent.has_value()) co_return;
      continue;
    }
    if (engine.phase() == smtp::ServerPhase::closed) co_return;
    const Result<wire::Filled> filled = co_await wire.fill(loop_.in(kPatience));
    if (!filled.has_value() || *filled == wire::Filled::end_of_stream) co_return;
  }
}

}  // namespace ph::app
