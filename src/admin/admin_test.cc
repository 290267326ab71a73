// The verbs of settings and accounts, and the control socket that carries them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "admin/account_verbs.h"
#include "admin/control.h"
#include "admin/inspect_verbs.h"
#include "admin/setting_verbs.h"
#include "kv_mem/store.h"
#include "rt_sim/simulation.h"
#include "service/wire/wire.h"

namespace ph::admin {
namespace {

using ::testing::HasSubstr;

constexpr config::NumberSetting kLimit{
    {"test.limit", "How many.", config::Effect::at_once}, 10, 1, 99};
constexpr const char* kSocket = "/run/posthorn/control";

rt::Task<Result<Json>> echo(Call call) { co_return Json{{"args", call.args}, {"who", call.who}}; }
rt::Task<Result<Json>> lines(Call call) {
  PH_CO_TRY(const uint64_t count, number_argument(call, "count", 1));
  co_return Json(std::string(count, 'x') + "\n\xFF");
}

class AdminTest : public ::testing::Test {
 protected:
  AdminTest() : sim(51), host(sim.add_host({.name = "mx"})), store(disk) {
    schema.add(kLimit);
    const settings::SettingsPorts ports{host.runtime(), store, schema, obs::silent_log()};
    settings = std::move(*run(settings::Settings::open(ports, host.loop(), {})));
    directory = std::move(*run(directory::Directory::open(store, host.loop())));
    auth = std::move(*run(auth::Auth::open({host.runtime(), store}, host.loop())));
    add_setting_verbs(verbs, *settings);
    add_account_verbs(verbs, {*directory, *auth});
    add_inspect_verbs(verbs, {host.runtime(), host.loop(), metrics, [this] { look_up(); }});
    verbs.add("test.echo", [](Call call) { return echo(std::move(call)); });
    verbs.add("test.lines", [](Call call) { return lines(std::move(call)); });
    control = std::make_unique<Control>(
        ControlPorts{host.runtime(), host.loop(), verbs, obs::silent_log()});
    PH_CHECK(control->start(kSocket).has_value());
  }
  ~AdminTest() override {
    control.reset();
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }

  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out = sim.await(host.loop(), std::move(task));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  void look_up() { metrics.gauge("posthorn_looked_up").add(1); }
  rt::Deadline soon() { return host.loop().in(Duration::minutes(30)); }
  Json answer(const std::string& line) {
    const std::string out = run(answer_line(verbs, host.loop(), line));
    EXPECT_EQ(out.find('\n'), std::string::npos);
    return Json::parse(out);
  }
  // Over the socket, as the command line does it.
  Result<Json> ask(const std::string& verb, const Json& args = Json::object()) {
    return run(call(host.runtime(), host.loop(), {kSocket, verb, "anna"}, args, soon()));
  }
  std::string refusal(const std::string& verb, const Json& args = Json::object()) {
    const Result<Json> result = ask(verb, args);
    EXPECT_FALSE(result.has_value());
    return result.has_value() ? "" : result.error().context();
  }
  wire::Wire connect() {
    const rt::DialOptions options{rt::local_endpoint(kSocket)};
    auto stream = run(host.runtime().dial(host.loop(), options, soon()));
    PH_CHECK(stream.has_value());
    return wire::Wire(std::move(*stream));
  }
  // One line from the server; "<end>" when there is none any more.
  std::string read_line(wire::Wire& wire) {
    for (;;) {
      const size_t end = wire.input().find('\n');
      if (end != std::string_view::npos) {
        std::string out(wire.input().substr(0, end));
        wire.consume(end + 1);
        return out;
      }
      const auto filled = run(wire.fill(soon()));
      if (!filled.has_value() || *filled == wire::Filled::end_of_stream) return "<end>";
    }
  }

  kv_mem::MemDisk disk;
  rt_sim::Simulation sim;
  rt_sim::Host& host;
  kv_mem::MemStore store;
  obs::Metrics metrics;
  config::Schema schema;
  std::unique_ptr<settings::Settings> settings;
  std::unique_ptr<directory::Directory> directory;
  std::unique_ptr<auth::Auth> auth;
  Verbs verbs;
  std::unique_ptr<Control> control;
};

TEST_F(AdminTest, ARequestNamesItsVerbAndWhoAsks) {
  Json out = answer(R"({"verb":"test.echo","args":{"a":[1,null]},"who":"anna"})");
  EXPECT_EQ(out["ok"], true);
  EXPECT_EQ(out["result"]["args"]["a"][0], 1);
  EXPECT_EQ(out["result"]["who"], "anna");
  out = answer(R"({"verb":"test.echo","args":17,"who":17})");
  EXPECT_EQ(out["result"]["args"], Json::object());
  EXPECT_EQ(out["result"]["who"], "administrator");
}

TEST_F(AdminTest, WhatIsNoRequestGetsAnError) {
  const std::string deep(500'000, '[');
  for (const std::string& line :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string("{}"),
        std::string(R"({"verb":17})"), std::string("\xFF\xFE"), std::string("{\"verb\":\"\xFF\"}"),
        std::string("\0", 1), deep, deep + std::string(500'000, ']'),
        R"({"verb":"test.echo","args":)" + std::string(100'000, '[') + std::string(100'000, ']') +
            "x"}) {
    const Json out = answer(line);
    EXPECT_EQ(out["ok"], false);
    EXPECT_EQ(out["error"]["kind"], "admin.bad_argument");
  }
  const Json out = answer(R"({"verb":"no.such\u0001verb"})");
  EXPECT_EQ(out["error"]["kind"], "admin.unknown_verb");
  EXPECT_EQ(out["error"]["text"], "there is no verb no.such?verb");
}

TEST_F(AdminTest, AnAnswerIsOneLineWhateverItHolds) {
  const Json out = answer(R"({"verb":"test.lines","args":{"count":3}})");
  EXPECT_EQ(out["result"], "xxx\n\xEF\xBF\xBD");
  EXPECT_EQ(answer(R"({"verb":"test.lines","args":{"count":-3}})")["ok"], false);
  EXPECT_EQ(answer(R"({"verb":"test.lines","args":{"count":"3"}})")["ok"], false);
}

TEST_F(AdminTest, SettingsAreListedSetResetAndAudited) {
  EXPECT_EQ((*ask("setting.list")).size(), 1U);
  EXPECT_EQ((*ask("setting.list", {{"prefix", "other."}})).size(), 0U);
  Json one = *ask("setting.get", {{"name", "test.limit"}});
  EXPECT_EQ(one["value"], "10");
  EXPECT_EQ(one["is_default"], true);
  EXPECT_EQ(one["effect"], "at once");
  one = *ask("setting.set", {{"name", "test.limit"}, {"value", "20"}});
  EXPECT_EQ(one["value"], "20");
  EXPECT_EQ(one["is_default"], false);
  EXPECT_EQ(settings->source(host.loop()).current().get(kLimit), 20U);
  one = *ask("setting.reset", {{"name", "test.limit"}});
  EXPECT_EQ(one["value"], "10");
  const Json audit = *ask("setting.audit", {{"limit", 0}});
  ASSERT_EQ(audit.size(), 1U);
  EXPECT_EQ(audit[0]["who"], "anna");
  EXPECT_EQ((*ask("setting.audit")).size(), 2U);
  EXPECT_THAT(refusal("setting.set", {{"name", "test.limit"}, {"value", "100"}}), HasSubstr("99"));
  EXPECT_THAT(refusal("setting.set", {{"name", "test.limit"}, {"value", 7}}), HasSubstr("value"));
  EXPECT_THAT(refusal("setting.set", {{"name", "test.limit"}}), HasSubstr("value is missing"));
  EXPECT_THAT(refusal("setting.get", {{"name", "x"}}), HasSubstr("no setting"));
  EXPECT_THAT(refusal("setting.reset", {{"name", nullptr}}), HasSubstr("name is missing"));
}

TEST_F(AdminTest, AccountsAliasesAndDomains) {
  EXPECT_EQ((*ask("domain.add", {{"domain", "example.org"}}))[0], "example.org");
  const Json alice =
      *ask("account.add", {{"address", "alice@example.org"}, {"password", "correct horse"}});
  EXPECT_EQ(alice["has_password"], true);
  EXPECT_EQ((*ask("account.add", {{"address", "bob@example.org"}}))["has_password"], false);
  EXPECT_THAT(refusal("account.add", {{"address", "ALICE@example.org"}, {"password", "other one"}}),
              HasSubstr("exists"));
  EXPECT_EQ((*ask("account.list")).size(), 2U);
  EXPECT_EQ((*ask("account.passwd", {{"address", "bob@example.org"},
                                     {"password", "battery staple"}}))["has_password"],
            true);
  EXPECT_THAT(refusal("account.passwd", {{"address", "eve@example.org"}, {"password", "12345678"}}),
              HasSubstr("no account"));
  EXPECT_THAT(refusal("account.passwd", {{"address", "bob@example.org"}, {"password", "short"}}),
              HasSubstr("at least 8"));
  EXPECT_EQ((*ask("alias.add", {{"address", "info@example.org"},
                                {"targets", "alice@example.org, bob@example.org"}}))["targets"]
                .size(),
            2U);
  EXPECT_EQ((*ask("alias.list")).size(), 1U);
  EXPECT_TRUE(ask("alias.remove", {{"address", "info@example.org"}}).has_value());
  EXPECT_THAT(refusal("alias.remove", {{"address", "info@example.org"}}), HasSubstr("no alias"));
  EXPECT_TRUE(ask("account.remove", {{"address", "bob@example.org"}}).has_value());
  EXPECT_FALSE(auth->has_password("bob@example.org"));
  EXPECT_THAT(refusal("account.remove", {{"address", "bob@example.org"}}), HasSubstr("no account"));
  EXPECT_EQ((*ask("domain.list")).size(), 1U);
}

TEST_F(AdminTest, NoPasswordOutlivesItsAccountOrComesBeforeIt) {
  ASSERT_TRUE(ask("domain.add", {{"domain", "example.org"}}).has_value());
  EXPECT_THAT(
      refusal("account.add", {{"address", "a@elsewhere.example"}, {"password", "12345678"}}),
      HasSubstr("not a local domain"));
  EXPECT_FALSE(auth->has_password("a@elsewhere.example"));
  // One that was left behind, by a crash between the two steps say, does not open a new account.
  ASSERT_TRUE(run(auth->set_password("bob@example.org", "old password", soon())).has_value());
  EXPECT_EQ((*ask("account.add", {{"address", "bob@example.org"}}))["has_password"], false);
  // The login ends first; a verb that failed half-way can be repeated.
  ASSERT_TRUE(ask("account.passwd", {{"address", "bob@example.org"}, {"password", "12345678"}})
                  .has_value());
  disk.fail_next(1);
  EXPECT_FALSE(ask("account.remove", {{"address", "bob@example.org"}}).has_value());
  EXPECT_TRUE(ask("account.remove", {{"address", "bob@example.org"}}).has_value());
  EXPECT_FALSE(auth->has_password("bob@example.org"));
}

TEST_F(AdminTest, TheRegistryAndTheFiguresAreShown) {
  const Json tasks = *ask("tasks.list");
  EXPECT_THAT(tasks.dump(), HasSubstr("control accepts"));
  // What is only looked up when somebody asks is of this moment, with nobody else having asked.
  EXPECT_THAT((*ask("metrics.show")).get<std::string>(), HasSubstr("posthorn_looked_up 1\n"));
  EXPECT_THAT((*ask("metrics.show")).get<std::string>(), HasSubstr("posthorn_looked_up 2\n"));
}

TEST_F(AdminTest, OneConnectionMayAskManyThings) {
  wire::Wire wire = connect();
  ASSERT_TRUE(run(wire.send("{\"verb\":\"test.echo\"}\n[1]\r\n{\"verb\":\"test.echo\"}\n", soon()))
                  .has_value());
  EXPECT_THAT(read_line(wire), HasSubstr("\"ok\":true"));
  EXPECT_THAT(read_line(wire), HasSubstr("\"ok\":false"));
  EXPECT_THAT(read_line(wire), HasSubstr("\"ok\":true"));
  wire.shutdown_write();
  EXPECT_EQ(read_line(wire), "<end>");
}

TEST_F(AdminTest, AnOverlongLineIsToldSo) {
  wire::Wire wire = connect();
  rt::Scope scope(host.loop(), "flood");
  struct Flood {
    static rt::Task<void> run(wire::Wire& wire, rt::Deadline deadline) {
      const Status sent = co_await wire.send(std::string(8 * kRequestBytesMax, 'x'), deadline);
      EXPECT_FALSE(sent.has_value());
    }
  };
  scope.spawn("flood", Flood::run(wire, soon()));
  const std::string line = read_line(wire);
  EXPECT_TRUE(line == "<end>" || line.find("too long") != std::string::npos) << line;
  sim.run_until([&] { return scope.active() == 0; }, Duration::minutes(10));
  EXPECT_EQ(scope.active(), 0U);
  EXPECT_TRUE(ask("test.echo").has_value());
}

TEST_F(AdminTest, ALargeRequestBelowTheLimitIsServed) {
  const Result<Json> result = ask("test.echo", {{"text", std::string(900'000, 'x')}});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ((*result)["args"]["text"].get<std::string>().size(), 900'000U);
}

TEST_F(AdminTest, ConnectionsAreBoundedAndSilentOnesEnd) {
  std::vector<wire::Wire> all;
  for (size_t i = 0; i < kConnectionsMax; ++i) all.push_back(connect());
  sim.run_for(Duration::seconds(1));
  wire::Wire more = connect();
  EXPECT_EQ(read_line(more), "<end>");
  sim.run_for(kIdleMax + Duration::seconds(5));
  EXPECT_EQ(read_line(all[0]), "<end>");
  EXPECT_TRUE(ask("test.echo").has_value());
}

TEST_F(AdminTest, WithoutAServerTheCallerIsToldSo) {
  control.reset();
  const Result<Json> result = ask("test.echo");
  ASSERT_FALSE(result.has_value());
  EXPECT_TRUE(result.error().is(kNotRunning));
}

TEST_F(AdminTest, ASecondServerIsRefusedTheSocket) {
  Control second(ControlPorts{host.runtime(), host.loop(), verbs, obs::silent_log()});
  const Status started = second.start(kSocket);
  ASSERT_FALSE(started.has_value());
  EXPECT_TRUE(started.error().is(rt::kAddressInUse));
}

}  // namespace
}  // namespace ph::admin
