// For tests: two Wires over the simulated network, a server's certificate, and small actors.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "codec/tls/context.h"
#include "rt/errors.h"
#include "rt_sim/simulation.h"
#include "service/wire/wire.h"

namespace ph::wire {

class PairTest : public ::testing::Test {
 protected:
  PairTest()
      : sim(21), server(sim.add_host({.name = "mx"})), client(sim.add_host({.name = "peer"})) {
    const auto made = tls::make_self_signed({"mx.example.org"}, sim.wall());
    context = std::make_unique<tls::Context>(
        tls::Context::server({made->certificate_pem, made->key_pem}).value());
    trust =
        std::make_unique<tls::Context>(tls::Context::client({"", made->certificate_pem}).value());
  }
  ~PairTest() override { EXPECT_EQ(sim.check(), rt_sim::Findings()); }

  // Nothing at random but time.
  void calm() { sim.network().set_shape({.fragment_percent = 0, .idle_wake_percent = 0}); }

  rt::Deadline soon(Duration d = Duration::minutes(10)) { return server.loop().in(d); }
  // All loops have the same clock and thread; a wire is driven on its own loop.
  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out = sim.await(server.loop(), std::move(task));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  template <class T>
  T run_near(rt::Task<T> task) {
    std::optional<T> out = sim.await(client.loop(), std::move(task));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  void run(Wire& wire, rt::Task<void> task) {
    rt::Scope scope(wire.loop(), "test");
    scope.spawn("test", std::move(task));
    sim.run_until([&] { return scope.active() == 0; }, Duration::hours(1));
  }
  // Goes on by itself; killed with the wires.
  void spawn(Wire& wire, rt::Task<void> task) {
    scopes.push_back(std::make_unique<rt::Scope>(wire.loop(), "actor"));
    scopes.back()->spawn("actor", std::move(task));
  }

  void connect() {
    scopes.clear();
    far.reset();
    near.reset();
    listener.reset();
    listener = std::move(*server.runtime().listen(server.loop(), {server.endpoint(0)}));
    std::optional<Result<std::unique_ptr<rt::Stream>>> dialed;
    rt::Scope scope(client.loop(), "dials");
    scope.spawn("dial", dial(dialed));
    auto accepted = run(listener->accept(soon()));
    PH_CHECK(accepted.has_value());
    sim.run_until([&] { return dialed.has_value(); }, Duration::minutes(1));
    PH_CHECK(dialed.has_value() && dialed->has_value());
    far.emplace(std::move(*accepted));
    near.emplace(std::move(**dialed));
  }
  rt::Task<void> dial(std::optional<Result<std::unique_ptr<rt::Stream>>>& out) {
    const rt::DialOptions options{listener->local()};
    out.emplace(co_await client.runtime().dial(client.loop(), options, soon()));
  }

  tls::Engine client_engine(const std::string& host) {
    return tls::Engine::client(*trust, {host, tls::Verify::required, sim.wall()});
  }
  rt::Task<void> start_client(std::optional<Status>& out) {
    out.emplace(co_await near->start_tls(client_engine("mx.example.org"), soon()));
  }
  rt::Task<void> start_server(Wire& wire, std::optional<Status>& out) {
    out.emplace(co_await wire.start_tls(tls::Engine::server(*context), soon()));
  }
  void secure() {
    std::optional<Status> here;
    std::optional<Status> there;
    spawn(*near, start_client(here));
    spawn(*far, start_server(*far, there));
    sim.run_until([&] { return here.has_value() && there.has_value(); }, Duration::minutes(1));
    PH_CHECK(here.has_value() && there.has_value());
    ASSERT_TRUE(here->has_value()) << here->error().to_text();
    ASSERT_TRUE(there->has_value()) << there->error().to_text();
  }

  rt::Task<void> send_all(Wire& wire, std::string bytes) {
    const Status sent = co_await wire.send(std::move(bytes), soon());
    static_cast<void>(sent);  // the reader tells what came
  }
  rt::Task<void> finish(Wire& wire) { return wire.finish(soon(Duration::seconds(5))); }
  rt::Task<Status> finish_status(Wire& wire) {
    co_await wire.finish(soon(Duration::seconds(5)));
    co_return Status();
  }
  rt::Task<void> read_into(Wire& wire, size_t octets, std::string& out) {
    while (out.size() < octets) {
      out += wire.input();
      wire.consume(wire.input().size());
      if (out.size() >= octets) co_return;
      const Result<Filled> filled = co_await wire.fill(soon());
      if (!filled.has_value() || *filled == Filled::end_of_stream) co_return;
    }
  }
  // The next fill that is no idle wake-up.
  Result<Filled> fill_more(Wire& wire) {
    for (;;) {
      auto filled = run(wire.fill(soon()));
      if (!filled.has_value() || *filled != Filled::nudged) return filled;
    }
  }
  std::string read_all(Wire& wire, size_t octets) {
    std::string out;
    run(wire, read_into(wire, octets, out));
    return out;
  }

  rt_sim::Simulation sim;
  rt_sim::Host& server;
  rt_sim::Host& client;
  std::unique_ptr<tls::Context> context;
  std::unique_ptr<tls::Context> trust;
  std::unique_ptr<rt::Listener> listener;
  std::optional<Wire> far;   // the server's end
  std::optional<Wire> near;  // the client's end
  std::vector<std::unique_ptr<rt::Scope>> scopes;
};

}  // namespace ph::wire
