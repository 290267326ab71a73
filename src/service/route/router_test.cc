#include "service/route/router.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "rt_sim/simulation.h"
#include "service/route/options.h"

namespace ph::route {
namespace {

using model::QueueReason;
using queue::HopKind;
using queue::Route;
using Kind = queue::Route::Kind;

struct World {
  World() : sim(7), host(sim.add_host({.name = "mx"})) {
    add_settings(schema);
    router = std::make_unique<Router>(
        Parts{.runtime = host.runtime(),
              .host = "mx.posthorn.example",
              .settings = [this](const rt::Loop&) -> config::Source& { return settings; },
              .find = [this](std::string_view address) { return find(address); }});
  }
  Local find(std::string_view address) const {
    if (!address.ends_with("@local.example")) return {};
    if (address == "ann@local.example") {
      return {.kind = Local::Kind::mailbox, .mailbox = 7, .members = {}};
    }
    if (address == "all@local.example") {
      return {.kind = Local::Kind::alias, .mailbox = 0, .members = {"ann@local.example", "x@y"}};
    }
    return {.kind = Local::Kind::no_such_address, .mailbox = 0, .members = {}};
  }
  Route route(std::string address) {
    const model::Recipient recipient{.address = std::move(address)};
    const model::Envelope envelope;
    auto answer = sim.await(host.loop(), router->route(host.loop(), recipient, envelope,
                                                       host.loop().in(Duration::seconds(30))));
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(Route{});
  }
  std::optional<Route> peek(std::string address) {
    return router->peek({.address = std::move(address)}, {});
  }
  Route route_via(std::string address, std::string via) {
    const model::Recipient recipient{.address = std::move(address), .via = std::move(via)};
    const model::Envelope envelope;
    auto answer = sim.await(host.loop(), router->route(host.loop(), recipient, envelope,
                                                       host.loop().in(Duration::seconds(30))));
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(Route{});
  }
  std::optional<Route> peek_via(std::string address, std::string via) {
    return router->peek({.address = std::move(address), .via = std::move(via)}, {});
  }
  void set(std::string_view name, std::string_view value) {
    auto next = settings.current().with(schema, name, value);
    ASSERT_TRUE(next.has_value()) << next.error().to_text();
    settings.set(std::move(*next));
  }
  std::vector<std::string> hosts_of(const Route& route) {
    std::vector<std::string> out;
    for (const auto& hop : route.hop.hosts) out.push_back(hop.name);
    return out;
  }

  rt_sim::Simulation sim;
  rt_sim::Host& host;
  config::Schema schema;
  config::FixedSource settings;
  std::unique_ptr<Router> router;
};

TEST(Router, LocalAddressesAreKnownAtOnce) {
  World w;
  const auto mailbox = w.peek("ann@local.example");
  ASSERT_TRUE(mailbox.has_value());
  EXPECT_EQ(mailbox->hop.kind, HopKind::mailbox);
  EXPECT_EQ(mailbox->mailbox, 7U);
  EXPECT_EQ(w.peek("all@local.example")->members.size(), 2U);
  const Route gone = w.route("bob@local.example");
  EXPECT_EQ(gone.kind, Kind::failed);
  EXPECT_EQ(gone.reason, QueueReason::no_such_address);
  EXPECT_EQ(model::to_text(gone.reply.enhanced), "5.1.1");
  EXPECT_FALSE(w.peek("a@far.example").has_value());
}

TEST(Router, MxHostsComeInOrderOfPreferenceWithAllAddresses) {
  World w;
  w.sim.dns().add_mx("far.example", 20, "second.far.example");
  w.sim.dns().add_mx("far.example", 10, "first.far.example");
  w.sim.dns().add_address("first.far.example", "192.0.2.1");
  w.sim.dns().add_address("first.far.example", "2001:db8::1");
  w.sim.dns().add_address("second.far.example", "192.0.2.2");
  const Route route = w.route("a@FAR.example");
  ASSERT_EQ(route.kind, Kind::hop);
  EXPECT_EQ(route.hop.lane, "smtp:far.example");
  EXPECT_EQ(w.hosts_of(route),
            (std::vector<std::string>{"first.far.example", "second.far.example"}));
  EXPECT_EQ(route.hop.hosts[0].addresses, (std::vector<std::string>{"192.0.2.1", "2001:db8::1"}));
  EXPECT_EQ(route.hop.hosts[0].port, 25);
}

TEST(Router, EqualPreferencesTakeTurns) {
  World w;
  for (const std::string name : {"a.far.example", "b.far.example", "c.far.example"}) {
    w.sim.dns().add_mx("far.example", 10, name);
    w.sim.dns().add_address(name, "192.0.2.1");
  }
  std::set<std::string> first;
  for (int i = 0; i < 40; ++i) {
    first.insert(w.hosts_of(w.route("a@far.example")).front());
    w.sim.run_for(Duration::minutes(1));
  }
  EXPECT_EQ(first.size(), 3U);
}

TEST(Router, WithoutMxTheDomainItselfIsTheHost) {
  World w;
  w.sim.dns().add_address("far.example", "192.0.2.9");
  const Route route = w.route("a@far.example");
  ASSERT_EQ(route.kind, Kind::hop);
  EXPECT_EQ(w.hosts_of(route), std::vector<std::string>{"far.example"});
}

TEST(Router, OnlyWhatDnsSaysWithAuthorityEndsARecipient) {
  World w;
  w.sim.dns().add_mx("null.example", 0, "");
  w.sim.dns().add_txt("empty.example", "nothing but a text");
  const Route none = w.route("a@nowhere.example");
  EXPECT_EQ(none.kind, Kind::failed);
  EXPECT_EQ(none.reason, QueueReason::no_such_domain);
  EXPECT_EQ(model::to_text(none.reply.enhanced), "5.1.2");
  const Route null = w.route("a@null.example");
  EXPECT_EQ(null.reason, QueueReason::null_mx);
  EXPECT_EQ(model::to_text(null.reply.enhanced), "5.1.10");
  EXPECT_EQ(w.route("a@empty.example").reason, QueueReason::not_routable);

  w.sim.dns().add_mx("far.example", 10, "mx.far.example");
  for (const auto kind :
       {rt_sim::DnsFault::Kind::server_failure, rt_sim::DnsFault::Kind::silence}) {
    w.sim.dns().set_fault("far.example", {.kind = kind});
    const Route later = w.route("a@far.example");
    EXPECT_EQ(later.kind, Kind::not_now);
    EXPECT_EQ(later.reason, QueueReason::dns_failure);
    EXPECT_EQ(model::to_text(later.reply.enhanced), "4.4.3");
  }
  w.sim.dns().heal();
  w.sim.dns().add_address("mx.far.example", "192.0.2.1");
  w.sim.dns().set_fault("mx.far.example", {.kind = rt_sim::DnsFault::Kind::server_failure});
  EXPECT_EQ(w.route("a@far.example").kind, Kind::not_now);
  w.sim.dns().heal();
  EXPECT_EQ(w.route("a@far.example").kind, Kind::hop);
}

TEST(Router, MailThatLeadsBackToUsIsALoop) {
  World w;
  w.sim.dns().add_mx("far.example", 10, "mx.posthorn.example");
  w.sim.dns().add_mx("far.example", 20, "backup.far.example");
  w.sim.dns().add_address("backup.far.example", "192.0.2.2");
  const Route loop = w.route("a@far.example");
  EXPECT_EQ(loop.kind, Kind::failed);
  EXPECT_EQ(loop.reason, QueueReason::routing_loop);
  EXPECT_EQ(model::to_text(loop.reply.enhanced), "5.4.6");
  // As a backup we hand on to those before us only.
  w.sim.dns().add_mx("near.example", 20, "mx.posthorn.example");
  w.sim.dns().add_mx("near.example", 10, "first.near.example");
  w.sim.dns().add_mx("near.example", 30, "third.near.example");
  w.sim.dns().add_address("first.near.example", "192.0.2.3");
  w.sim.dns().add_address("third.near.example", "192.0.2.4");
  EXPECT_EQ(w.hosts_of(w.route("a@near.example")), std::vector<std::string>{"first.near.example"});
}

TEST(Router, LoopbackFromDnsIsNotDialled) {
  World w;
  w.sim.dns().add_address("evil.example", "127.0.0.1");
  EXPECT_EQ(w.route("a@evil.example").reason, QueueReason::routing_loop);
  EXPECT_EQ(w.route("a@[127.0.0.1]").reason, QueueReason::routing_loop);
  w.set("route.loopback_hops", "on");
  w.set("route.mx_port", "2525");
  const Route route = w.route("a@evil.example");
  ASSERT_EQ(route.kind, Kind::hop);
  EXPECT_EQ(route.hop.hosts[0].port, 2525);
}

TEST(Router, StrangeAddressesAreNotDialledEither) {
  World w;
  for (const char* strange :
       {"0.0.0.0", "0.0.0.1", "::", "::1", "::ffff:127.0.0.1", "127.8.9.10"}) {
    w.sim.dns().add_address("evil.example", strange);
  }
  EXPECT_EQ(w.route("a@evil.example").reason, QueueReason::routing_loop);
  EXPECT_EQ(w.route("a@[IPv6:::ffff:127.0.0.1]").reason, QueueReason::routing_loop);
  w.sim.dns().add_address("evil.example", "192.0.2.8");
  EXPECT_EQ(w.route("a@evil.example").hop.hosts[0].addresses,
            std::vector<std::string>{"192.0.2.8"});
}

TEST(Router, ANullMxBesidesOthersMeansNothing) {
  World w;
  w.sim.dns().add_mx("far.example", 0, "");
  w.sim.dns().add_mx("far.example", 10, "mx.far.example");
  w.sim.dns().add_address("mx.far.example", "192.0.2.1");
  EXPECT_EQ(w.hosts_of(w.route("a@far.example")), std::vector<std::string>{"mx.far.example"});
}

TEST(Router, AChangedSettingActsOnTheNextRoute) {
  World w;
  w.sim.dns().add_address("far.example", "192.0.2.9");
  EXPECT_EQ(w.route("a@far.example").hop.lane, "smtp:far.example");
  w.set("route.smart_host", " relay.example:587 ");
  w.sim.dns().add_address("relay.example", "192.0.2.10");
  EXPECT_EQ(w.route("a@far.example").hop.lane, "smart:relay.example:587");
  EXPECT_EQ(w.route("a@far.example").hop.tls, queue::TlsPolicy::opportunistic);
  w.set("route.require_tls", "on");
  EXPECT_EQ(w.route("a@far.example").hop.tls, queue::TlsPolicy::required);
  EXPECT_EQ(w.route("nobody").reason, QueueReason::no_such_address);
}

TEST(Router, AddressLiteralsNeedNoDns) {
  World w;
  EXPECT_EQ(w.route("a@[192.0.2.7]").hop.hosts[0].addresses[0], "192.0.2.7");
  EXPECT_EQ(w.route("a@[IPv6:2001:db8::7]").hop.hosts[0].addresses[0], "2001:db8::7");
  EXPECT_EQ(w.sim.dns().lookups(), 0U);
}

TEST(Router, StaticRoutesComeBeforeTheSmartHostAndBothBeforeDns) {
  World w;
  w.set("route.smart_host", "192.0.2.50:2500");
  w.set("route.domains", "far.example=192.0.2.60:26, .deep.example=relay.example");
  w.sim.dns().add_address("relay.example", "192.0.2.61");
  EXPECT_EQ(w.peek("a@far.example")->hop.lane, "route:192.0.2.60:26");
  EXPECT_EQ(w.peek("a@elsewhere.example")->hop.lane, "smart:192.0.2.50:2500");
  EXPECT_FALSE(w.peek("a@very.deep.example").has_value());  // its host needs DNS
  EXPECT_EQ(w.route("a@very.deep.example").hop.hosts[0].addresses[0], "192.0.2.61");
  EXPECT_EQ(w.route("a@deep.example").hop.lane, "smart:192.0.2.50:2500");
  EXPECT_EQ(w.peek("ann@local.example")->hop.kind, HopKind::mailbox);
  // An administrator's host that DNS does not know is waited for, never a reason to fail.
  w.set("route.smart_host", "gone.example");
  EXPECT_EQ(w.route("a@elsewhere.example").kind, Kind::not_now);
}

TEST(Router, SettingsThatMeanNothingAreRefused) {
  World w;
  for (const char* wrong :
       {"2001:db8::1", "host:0", "host:99999", "host name", ":25", "[::1", "host:x"}) {
    EXPECT_FALSE(w.settings.current().with(w.schema, "route.smart_host", wrong).has_value())
        << wrong;
  }
  EXPECT_FALSE(w.settings.current().with(w.schema, "route.domains", "no route").has_value());
  EXPECT_TRUE(w.settings.current().with(w.schema, "route.smart_host", "[::1]:25").has_value());
}

TEST(Router, AnAdministratorsNextHopGoesBeforeEverything) {
  World w;
  w.set("route.smart_host", "smart.example:25");
  w.set("route.domains", "far.example=static.example:25");
  w.sim.dns().add_address("relay.example", "192.0.2.5");
  for (const char* address :
       {"a@far.example", "a@other.example", "ann@local.example", "all@local.example",
        "nobody@local.example", "postmaster", "a@[127.0.0.1]"}) {
    const Route route = w.route_via(address, "Relay.example:2525");
    ASSERT_EQ(route.kind, Kind::hop) << address;
    EXPECT_EQ(route.hop.lane, "via:relay.example:2525");
    EXPECT_EQ(route.hop.kind, HopKind::smtp);
    ASSERT_EQ(route.hop.hosts.size(), 1U);
    EXPECT_EQ(route.hop.hosts[0].port, 2525);
    EXPECT_EQ(route.hop.hosts[0].addresses, std::vector<std::string>{"192.0.2.5"});
    // A name needs DNS, so it is not known at once; the ordinary way must not be taken instead.
    EXPECT_FALSE(w.peek_via(address, "relay.example:2525").has_value()) << address;
  }
}

TEST(Router, ANextHopByItsAddressIsKnownAtOnce) {
  World w;
  const auto four = w.peek_via("ann@local.example", "192.0.2.7:2525");
  ASSERT_TRUE(four.has_value());
  EXPECT_EQ(four->hop.lane, "via:192.0.2.7:2525");
  EXPECT_EQ(four->hop.hosts[0].addresses, std::vector<std::string>{"192.0.2.7"});
  const auto six = w.peek_via("a@far.example", "[2001:DB8::7]:26");
  ASSERT_TRUE(six.has_value());
  EXPECT_EQ(six->hop.lane, "via:[2001:db8::7]:26");
  EXPECT_EQ(six->hop.hosts[0].addresses, std::vector<std::string>{"2001:db8::7"});
  EXPECT_EQ(six->hop.hosts[0].port, 26);
  EXPECT_EQ(w.route_via("a@far.example", "[2001:db8::7]:26").hop.lane, six->hop.lane);
  // An administrator may name this machine.
  EXPECT_TRUE(w.peek_via("a@far.example", "127.0.0.1:10025").has_value());
}

TEST(Router, ANextHopThatCannotBeFoundIsWaitedFor) {
  World w;
  w.set("route.smart_host", "192.0.2.9:25");
  for (const char* via : {"a b:25", "x:0", "x:70000", "::1:25", ":25"}) {
    const Route route = w.route_via("a@far.example", via);
    EXPECT_EQ(route.kind, Kind::not_now) << via;
    EXPECT_EQ(route.reason, QueueReason::unreachable);
    EXPECT_EQ(model::to_text(route.reply.enhanced), "4.4.4");
    EXPECT_FALSE(w.peek_via("a@far.example", via).has_value());
  }
  const Route nameless = w.route_via("ann@local.example", "gone.example:25");
  EXPECT_EQ(nameless.kind, Kind::not_now);
  EXPECT_EQ(nameless.reason, QueueReason::dns_failure);
}

}  // namespace
}  // namespace ph::route
