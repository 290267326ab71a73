#include "app/server.h"

#include <utility>

#include "admin/account_verbs.h"
#include "admin/control.h"
#include "admin/inspect_verbs.h"
#include "admin/queue_verbs.h"
#include "admin/setting_verbs.h"
#include "app/detail/bridges.h"
#include "app/detail/figures.h"
#include "app/listening.h"
#include "app/options.h"
#include "base/check.h"
#include "front/imap/server.h"
#include "front/metrics/server.h"
#include "front/smtp_in/server.h"
#include "service/pressure/monitor.h"
#include "service/report/reporter.h"
#include "service/route/router.h"
#include "state/auth/auth.h"
#include "state/settings/settings.h"

namespace ph::app {
namespace {

constexpr Duration kStartStep = Duration::minutes(2);

// The fronts of one loop.
struct Fronts {
  std::unique_ptr<smtp_in::Server> smtp;
  std::unique_ptr<imap_server::Server> imap;
};

}  // namespace

struct Server::Rooms {
  ServerPorts ports;
  rt::Loop& first;
  TransportBridge transport;
  smtp_in::Gate gate;
  imap_server::Fleet fleet;
  pressure::Machine machine;
  std::unique_ptr<settings::Settings> settings;
  std::unique_ptr<directory::Directory> directory;
  std::unique_ptr<auth::Auth> auth;
  std::unique_ptr<store::Mailboxes> mailboxes;
  std::unique_ptr<route::Router> router;
  std::unique_ptr<CarrierBridge> carriers;
  std::unique_ptr<report::Reporter> reporter;
  std::unique_ptr<queue::Queue> queue;
  std::unique_ptr<pressure::Monitor> pressure;
  std::unique_ptr<IntakeBridge> intake;
  std::unique_ptr<AddressBridge> addresses;
  std::vector<Fronts> fronts;  // one for each loop
  std::unique_ptr<metrics_server::Server> metrics_page;
  admin::Verbs verbs;
  std::unique_ptr<admin::Control> control;
  Listening listening;

  explicit Rooms(ServerPorts p)
      : ports(std::move(p)),
        first(*ports.runtime.loops().front()),
        transport(ports.store),
        gate(ports.metrics),
        fleet(ports.metrics, ports.runtime.loops().size()),
        machine(ports.runtime, ports.store) {
    describe_metrics(ports.metrics);
    const store::Parts parts{ports.store, ports.runtime.loops(), ports.runtime.entropy(), transport,
                             ports.log,   ports.metrics};
    mailboxes = std::make_unique<store::Mailboxes>(parts, store::Options());
    fronts.resize(ports.runtime.loops().size());
  }

  auto source() {
    return [this](const rt::Loop& loop) -> config::Source& { return settings->source(loop); };
  }
  // Of the figures, before somebody reads them: over HTTP or over the control socket.
  std::function<void()> refresh() {
    return [this] { refresh_figures(ports.metrics, ports.store); };
  }
  std::string host_name() { return settings->source(first).current().get(kHostName); }

  rt::Task<Status> open_state(rt::Deadline deadline);
  rt::Task<Status> open_transport(rt::Deadline deadline);
  rt::Task<Status> open_fronts(rt::Deadline deadline);
  rt::Task<Status> open_fronts_on(rt::Loop& loop);
  Status open_metrics_page();
  void open_verbs();
};

rt::Task<Status> Server::Rooms::open_state(rt::Deadline deadline) {
  const settings::SettingsPorts setting_ports{ports.runtime, ports.store, ports.schema, ports.log};
  PH_CO_TRY(settings, co_await settings::Settings::open(setting_ports, first, {}));
  PH_CO_TRY(directory, co_await directory::Directory::open(ports.store, first));
  const auth::AuthPorts auth_ports{ports.runtime, ports.store};
  PH_CO_TRY(auth, co_await auth::Auth::open(auth_ports, first));
  for (rt::Loop* loop : ports.runtime.loops()) {
    auto begin = [this, loop, deadline] { return mailboxes->start(*loop, deadline); };
    PH_CO_TRY_STATUS(
        co_await rt::call_on(first, *loop, "mailboxes start", std::move(begin), deadline));
  }
  co_return Status();
}

rt::Task<Status> Server::Rooms::open_transport(rt::Deadline) {
  route::Parts route_parts{ports.runtime, host_name(), source(), find_local(*directory)};
  router = std::make_unique<route::Router>(std::move(route_parts));
  smtp_out::Parts remote{ports.runtime,
                         ports.log,
                         ports.metrics,
                         host_name(),
                         ports.identity.trust,
                         source(),
                         [](const std::string&) { return std::nullopt; }};
  carriers = std::make_unique<CarrierBridge>(deliver::Parts{*mailboxes, *directory, ports.log},
                                             std::move(remote));
  auto postmaster = [&known = *directory] {
    const std::vector<std::string> domains = known.domains();
    return domains.empty() ? std::string() : "postmaster@" + domains.front();
  };
  reporter = std::make_unique<report::Reporter>(
      report::Parts{ports.runtime, host_name(), std::move(postmaster)});
  const queue::QueuePorts queue_ports{ports.runtime, ports.store, ports.log, ports.metrics,
                                      *router,       *carriers,   *reporter, source()};
  PH_CO_TRY(queue, co_await queue::Queue::open(queue_ports, first));
  const pressure::Parts pressure_parts{first, machine, settings->source(first), ports.log,
                                       ports.metrics};
  pressure = std::make_unique<pressure::Monitor>(pressure_parts);
  pressure->start();
  intake = std::make_unique<IntakeBridge>(
      IntakeBridge::Parts{*queue, *mailboxes, *directory, source(), *pressure});
  addresses = std::make_unique<AddressBridge>(*directory);
  settings->on_change([this](const rt::Loop& loop) { queue->settings_changed(loop); });
  transport.connect(queue.get());
  queue->start();
  co_return Status();
}

rt::Task<Status> Server::Rooms::open_fronts_on(rt::Loop& loop) {
  Fronts& here = fronts[loop.index()];
  const config::Values& values = settings->source(loop).current();
  const auto identity = [context = ports.identity.server] { return context; };
  smtp_in::Parts smtp_parts{ports.runtime, *intake,       *addresses,  *auth,   gate,
                            ports.log,     ports.metrics, host_name(), identity};
  here.smtp = std::make_unique<smtp_in::Server>(smtp_parts, loop, settings->source(loop));
  imap_server::Parts imap_parts{ports.runtime, *mailboxes,    *directory,  *auth,   fleet,
                                ports.log,     ports.metrics, host_name(), identity};
  here.imap = std::make_unique<imap_server::Server>(imap_parts, loop, settings->source(loop));
  struct Listed {
    const config::TextSetting& setting;
    std::vector<rt::Endpoint>& really;
    std::function<Status(const rt::Endpoint&)> listen;
  };
  const auto smtp = [&here](smtp_in::Service service) {
    return [&here, service](const rt::Endpoint& at) { return here.smtp->listen(at, service); };
  };
  const auto imap = [&here](imap_server::Service service) {
    return [&here, service](const rt::Endpoint& at) { return here.imap->listen(at, service); };
  };
  const std::vector<Listed> all = {
      {kListenSmtp, listening.smtp, smtp(smtp_in::Service::mx)},
      {kListenSubmission, listening.submission, smtp(smtp_in::Service::submission)},
      {kListenSubmissions, listening.submissions, smtp(smtp_in::Service::submission_tls)},
      {kListenImap, listening.imap, imap(imap_server::Service::starttls)},
      {kListenImaps, listening.imaps, imap(imap_server::Service::tls)}};
  for (const Listed& listed : all) {
    PH_CO_TRY(const std::vector<rt::Endpoint> wanted, parse_endpoints(values.get(listed.setting)));
    for (const rt::Endpoint& at : wanted) {
      Status listens = listed.listen(at);
      if (!listens.has_value()) {
        co_return std::move(listens).error().with_context(std::string(listed.setting.name) +
                                                          ": cannot listen at " + rt::to_text(at));
      }
    }
    if (&loop == &first) listed.really = wanted;
  }
  co_return Status();
}

rt::Task<Status> Server::Rooms::open_fronts(rt::Deadline deadline) {
  for (rt::Loop* loop : ports.runtime.loops()) {
    auto open = [this, loop] { return open_fronts_on(*loop); };
    PH_CO_TRY_STATUS(co_await rt::call_on(first, *loop, "fronts start", std::move(open), deadline));
  }
  co_return Status();
}

Status Server::Rooms::open_metrics_page() {
  metrics_server::Parts parts{ports.runtime, first, ports.metrics, ports.log, refresh()};
  metrics_page = std::make_unique<metrics_server::Server>(std::move(parts));
  const config::Values& values = settings->source(first).current();
  PH_TRY(listening.metrics, parse_endpoints(values.get(kListenMetrics)));
  for (const rt::Endpoint& at : listening.metrics) PH_TRY_STATUS(metrics_page->listen(at));
  return {};
}

void Server::Rooms::open_verbs() {
  admin::add_setting_verbs(verbs, *settings);
  admin::add_account_verbs(verbs, {*directory, *auth});
  admin::add_queue_verbs(verbs, {*queue, first, &settings->source(first), pressure.get()});
  admin::add_inspect_verbs(verbs, {ports.runtime, first, ports.metrics, refresh()});
}

Server::Server(ServerPorts ports) : rooms_(std::make_unique<Rooms>(std::move(ports))) {}
Server::~Server() = default;

rt::Task<Status> Server::start(rt::Deadline deadline) {
  const rt::Deadline until = deadline.earlier(rooms_->first.in(kStartStep));
  PH_CO_TRY_STATUS(co_await rooms_->open_state(until));
  PH_CO_TRY_STATUS(co_await rooms_->open_transport(until));
  PH_CO_TRY_STATUS(co_await rooms_->open_fronts(until));
  PH_CO_TRY_STATUS(rooms_->open_metrics_page());
  rooms_->open_verbs();
  if (!rooms_->ports.control_socket.empty()) {
    const admin::ControlPorts control{rooms_->ports.runtime, rooms_->first, rooms_->verbs,
                                      rooms_->ports.log};
    rooms_->control = std::make_unique<admin::Control>(control);
    PH_CO_TRY_STATUS(rooms_->control->start(rooms_->ports.control_socket));
  }
  rooms_->ports.log.info("server.started", {{"host", rooms_->host_name()}});
  co_return Status();
}

rt::Task<Status> Server::stop(rt::Deadline deadline) {
  Rooms& r = *rooms_;
  r.control.reset();
  r.metrics_page.reset();
  for (rt::Loop* loop : r.ports.runtime.loops()) {
    Fronts& here = r.fronts[loop->index()];
    if (here.smtp == nullptr || here.imap == nullptr) continue;
    auto drain = [&here, deadline]() -> rt::Task<Status> { return here.smtp->drain(deadline); };
    const Status smtp = co_await rt::call_on(r.first, *loop, "smtp drain", drain, deadline);
    auto end = [&here, deadline]() -> rt::Task<Status> { return here.imap->drain(deadline); };
    const Status imap = co_await rt::call_on(r.first, *loop, "imap drain", end, deadline);
    static_cast<void>(smtp);  // what does not end in time is cut off: clients come back
    static_cast<void>(imap);
  }
  if (r.queue != nullptr) PH_CO_TRY_STATUS(co_await r.queue->stop(r.first, deadline));
  for (rt::Loop* loop : r.ports.runtime.loops()) {
    auto end = [&r, loop, deadline] { return r.mailboxes->stop(*loop, deadline); };
    PH_CO_TRY_STATUS(co_await rt::call_on(r.first, *loop, "mailboxes stop", end, deadline));
  }
  r.ports.log.info("server.stopped");
  co_return Status();
}

const Listening& Server::listening() const { return rooms_->listening; }
const admin::Verbs& Server::verbs() const { return rooms_->verbs; }
settings::Settings& Server::settings() { return *rooms_->settings; }
directory::Directory& Server::directory() { return *rooms_->directory; }
auth::Auth& Server::auth() { return *rooms_->auth; }
queue::Queue& Server::queue() { return *rooms_->queue; }
store::Mailboxes& Server::mailboxes() { return *rooms_->mailboxes; }
const pressure::Monitor& Server::pressure() const { return *rooms_->pressure; }

}  // namespace ph::app
