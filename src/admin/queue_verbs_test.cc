// The verbs of the queue against a real queue whose next hop cannot be routed to now.
#include "admin/queue_verbs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "admin/control.h"
#include "kv_mem/store.h"
#include "rt/errors.h"
#include "rt_sim/simulation.h"
#include "service/pressure/options.h"
#include "service/queue/options.h"

namespace ph::admin {
namespace {

using ::testing::HasSubstr;

class Nowhere final : public queue::Router, public queue::Carriers, public queue::Reporter {
 public:
  rt::Task<queue::Route> route(rt::Loop& loop, const model::Recipient&, const model::Envelope&,
                               rt::Deadline) override {
    queue::Route route;
    route.kind = queue::Route::Kind::not_now;
    route.reason = model::QueueReason::dns_failure;
    route.reply.when = loop.wall();
    route.reply.host = "routing";
    route.reply.stage = model::Stage::route;
    route.reply.text = "DNS does not answer";
    co_return route;
  }
  std::optional<queue::Route> peek(const model::Recipient&, const model::Envelope&) override {
    return std::nullopt;
  }
  std::unique_ptr<queue::CarrierSession> open(rt::Loop&, const queue::NextHop&) override {
    return nullptr;  // never asked: nothing is routed
  }
  rt::Task<queue::Report> write(rt::Loop&, queue::ReportWork, rt::Deadline) override {
    co_return queue::Report{std::make_shared<const std::string>("Subject: report\r\n\r\n"), "r",
                            "report", ""};
  }
};

// A machine whose disk is as full as it is told to be.
class ADisk final : public pressure::Resources {
 public:
  rt::Task<Result<kv::DiskSpace>> disk(rt::Loop&, rt::Deadline) override {
    if (!answers) co_return fail(rt::kIo, "the disk does not answer");
    co_return kv::DiskSpace{free_mib << 20, 102'400ULL << 20};
  }
  rt::Task<Result<rt::MemoryUse>> memory(rt::Loop&, rt::Deadline) override {
    co_return rt::MemoryUse{1ULL << 30, 8ULL << 30};
  }
  rt::Task<Result<pressure::CommitFigures>> commits(rt::Loop&, rt::Deadline) override {
    co_return pressure::CommitFigures{};
  }
  rt::Task<Status> give_back_memory(rt::Loop&, rt::Deadline) override { co_return Status(); }

  uint64_t free_mib = 51'200;
  bool answers = true;
};

class QueueVerbsTest : public ::testing::Test {
 protected:
  QueueVerbsTest() : sim(71), host(sim.add_host({.name = "mx"})), store(disk) {
    queue::add_settings(schema);
    const auto settings_of = [this](const rt::Loop&) -> config::Source& { return settings; };
    const queue::QueuePorts ports{host.runtime(), store,   obs::silent_log(), metrics,
                                  nowhere,        nowhere, nowhere,           settings_of};
    queue = std::move(*run(queue::Queue::open(ports, host.loop())));
    queue->start();
    pressure::add_settings(schema);
    monitor = std::make_unique<pressure::Monitor>(
        pressure::Parts{host.loop(), resources, settings, obs::silent_log(), metrics});
    monitor->start();
    add_queue_verbs(verbs, {*queue, host.loop(), &settings, monitor.get()});
    sim.run_for(Duration::seconds(1));
  }
  ~QueueVerbsTest() override {
    EXPECT_TRUE(run(queue->stop(host.loop(), soon())).has_value());
    queue.reset();
    monitor.reset();
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }

  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out = sim.await(host.loop(), std::move(task));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  rt::Deadline soon() { return host.loop().in(Duration::minutes(1)); }
  std::string accept(const std::string& message_id, std::vector<std::string> addresses) {
    queue::NewMessage m;
    m.envelope.sender = "alice@example.org";
    m.envelope.received_at = sim.wall();
    for (std::string& address : addresses) m.recipients.push_back({.address = std::move(address)});
    m.raw = std::make_shared<const std::string>("Subject: hello\r\n\r\nHello.\r\n");
    m.envelope.size_bytes = m.raw->size();
    m.message_id = message_id;
    const auto id = run(queue->accept(host.loop(), std::move(m), soon()));
    EXPECT_TRUE(id.has_value());
    sim.run_for(Duration::seconds(2));
    return model::to_text(id.value_or(model::QueueId{}));
  }
  Json ask(const std::string& verb, const Json& args = Json::object()) {
    const Json request = {{"verb", verb}, {"args", args}, {"who", "anna"}};
    return Json::parse(run(answer_line(verbs, host.loop(), request.dump())));
  }
  std::string refusal(const std::string& verb, const Json& args) {
    const Json answer = ask(verb, args);
    EXPECT_EQ(answer["ok"], false) << answer.dump();
    return answer["ok"] == false ? answer["error"]["text"].get<std::string>() : "";
  }

  kv_mem::MemDisk disk;
  rt_sim::Simulation sim;
  rt_sim::Host& host;
  kv_mem::MemStore store;
  obs::Metrics metrics;
  config::Schema schema;
  config::FixedSource settings;
  Nowhere nowhere;
  std::unique_ptr<queue::Queue> queue;
  ADisk resources;
  std::unique_ptr<pressure::Monitor> monitor;
  Verbs verbs;
};

TEST_F(QueueVerbsTest, WhySaysStateReasonClockAndHistory) {
  const std::string id = accept("<1@example.org>", {"x@far.example"});
  for (const std::string& name :
       {id, std::string("1@example.org"), std::string("<1@example.org>")}) {
    const Json why = ask("queue.why", {{"message", name}})["result"];
    EXPECT_EQ(why["id"], id);
    EXPECT_EQ(why["sender"], "alice@example.org");
    ASSERT_EQ(why["recipients"].size(), 1U);
    const Json& row = why["recipients"][0];
    EXPECT_EQ(row["recipient"], "x@far.example");
    EXPECT_EQ(row["state"], "waiting_retry");
    EXPECT_EQ(row["reason"], "dns_failure");
    for (const char* field :
         {"since", "expires_at", "next_action_at", "next_action", "state_text", "reason_text"}) {
      EXPECT_FALSE(row[field].get<std::string>().empty()) << field;
    }
    ASSERT_FALSE(row["history"].empty());
    EXPECT_THAT(row["history"][0]["text"].get<std::string>(), HasSubstr("DNS does not answer"));
  }
  EXPECT_THAT(refusal("queue.why", {{"message", "nothing@example.org"}}), HasSubstr("no message"));
  EXPECT_THAT(refusal("queue.why", Json::object()), HasSubstr("message is missing"));
}

TEST_F(QueueVerbsTest, ListsAndCountsFollowTheirFilters) {
  accept("<1@example.org>", {"x@far.example", "y@far.example"});
  accept("<2@example.org>", {"z@near.example"});
  EXPECT_EQ(ask("queue.list")["result"]["rows"].size(), 3U);
  EXPECT_EQ(ask("queue.list", {{"recipient", "FAR"}})["result"]["rows"].size(), 2U);
  EXPECT_EQ(ask("queue.list", {{"state", "held"}})["result"]["rows"].size(), 0U);
  EXPECT_EQ(ask("queue.list", {{"reason", "dns_failure"}})["result"]["rows"].size(), 3U);
  EXPECT_THAT(refusal("queue.list", {{"state", "lost"}}), HasSubstr("no state lost"));
  EXPECT_THAT(refusal("queue.list", {{"reason", "x"}}), HasSubstr("no reason x"));
  EXPECT_THAT(refusal("queue.list", {{"limit", "all"}}), HasSubstr("limit"));
  size_t seen = 0;
  std::string from;
  do {
    const Json page = ask("queue.list", {{"limit", 0}, {"from", from}})["result"];
    seen += page["rows"].size();
    from = page["next"];
  } while (!from.empty() && seen < 10);
  EXPECT_EQ(seen, 3U);
  const Json counts = ask("queue.counts")["result"];
  ASSERT_EQ(counts.size(), 1U);
  EXPECT_EQ(counts[0]["count"], 3);
}

TEST_F(QueueVerbsTest, CommandsActAndSayWhoAskedForThem) {
  const std::string id = accept("<1@example.org>", {"x@far.example"});
  Json row =
      ask("queue.hold", {{"id", id}, {"reason", "to look at it"}})["result"]["recipients"][0];
  EXPECT_EQ(row["state"], "held");
  EXPECT_THAT(row["held_by"].get<std::string>(), HasSubstr("anna: to look at it"));
  row = ask("queue.release", {{"id", "<1@example.org>"}})["result"]["recipients"][0];
  EXPECT_NE(row["state"], "held");
  EXPECT_TRUE(ask("queue.retry", {{"id", id}})["ok"]);
  row = ask("queue.remove", {{"id", id}})["result"]["recipients"][0];
  EXPECT_EQ(row["state"], "removed");
  EXPECT_EQ(ask("queue.remove", {{"id", id}})["ok"], false);
  EXPECT_EQ(ask("queue.remove", {{"id", "0000000000001"}})["ok"], false);
}

TEST_F(QueueVerbsTest, AnAmbiguousMessageIdIsShownButNotActedOn) {
  accept("<1@example.org>", {"x@far.example"});
  const std::string newer = accept("<1@example.org>", {"y@far.example"});
  EXPECT_EQ(ask("queue.why", {{"message", "<1@example.org>"}})["result"]["id"], newer);
  EXPECT_THAT(refusal("queue.remove", {{"id", "<1@example.org>"}}), HasSubstr("several messages"));
  EXPECT_EQ(ask("queue.list")["result"]["rows"].size(), 2U);
}

TEST_F(QueueVerbsTest, TheDoctorFindsNothingInAHealthyQueue) {
  accept("<1@example.org>", {"x@far.example"});
  const Json report = ask("doctor.run")["result"];
  EXPECT_EQ(report["findings"].size(), 0U) << report.dump();
  EXPECT_EQ(report["resting"], 1);
}

TEST_F(QueueVerbsTest, TheDoctorNamesTheResourceOfWhichThereIsNotEnough) {
  Json report = ask("doctor.run")["result"];
  ASSERT_EQ(report["pressure"].size(), 4U);
  EXPECT_EQ(report["pressure"][0]["resource"], "disk");
  EXPECT_EQ(report["pressure"][0]["level"], "low");
  EXPECT_EQ(report["pressure"][0]["figure"], "50 % free (50 GiB of 100 GiB)");
  EXPECT_EQ(report["findings"].size(), 0U) << report.dump();
  resources.free_mib = 3'500;
  sim.run_for(Duration::seconds(5));
  report = ask("doctor.run")["result"];
  EXPECT_EQ(report["pressure"][0]["level"], "medium");
  ASSERT_EQ(report["findings"].size(), 1U) << report.dump();
  EXPECT_EQ(report["findings"][0]["what"], "back pressure");
  const std::string text = report["findings"][0]["text"];
  EXPECT_THAT(text, HasSubstr("disk is medium since "));
  EXPECT_THAT(text,
              HasSubstr("strangers' mail is refused for now: 3 % free (3500 MiB of 100 GiB)"));
  resources.free_mib = 1'000;
  sim.run_for(Duration::seconds(5));
  EXPECT_THAT(ask("doctor.run")["result"]["findings"][0]["text"].get<std::string>(),
              HasSubstr("all new mail is refused for now: 0 % free"));
  resources.answers = false;
  sim.run_for(Duration::minutes(1));
  report = ask("doctor.run")["result"];
  EXPECT_EQ(report["pressure"][0]["level"], "unknown");
  EXPECT_THAT(report["findings"][0]["text"].get<std::string>(),
              HasSubstr("the disk does not answer"));
}

TEST_F(QueueVerbsTest, CommandsOnAllThatFitAreCountedAndAudited) {
  for (int i = 0; i < 3; ++i) accept("<" + std::to_string(i) + "@x>", {"x@far.example"});
  Json args{{"all", "yes"}, {"recipient", "far"}, {"dry_run", "yes"}, {"for", "1 h"}};
  Json done = ask("queue.hold", args)["result"];
  EXPECT_EQ(done["changed"], 3);
  EXPECT_EQ(done["after"][0]["state"], "waiting_retry");
  args.erase("dry_run");
  done = ask("queue.hold", args)["result"];
  EXPECT_EQ(done["changed"], 3);
  EXPECT_EQ(done["after"][0]["state"], "held");
  EXPECT_EQ(done["next"], "");
  EXPECT_THAT(refusal("queue.hold", {{"all", "yes"}, {"older", "soon"}}), HasSubstr("older"));
  EXPECT_THAT(refusal("queue.hold", {{"all", "yes"}, {"larger", "big"}}), HasSubstr("larger"));
  EXPECT_THAT(refusal("queue.list", {{"priority", "urgent"}}), HasSubstr("priorities"));
  const Json audit = ask("queue.audit")["result"];
  ASSERT_EQ(audit.size(), 1U);
  EXPECT_EQ(audit[0]["subject"], "recipient far");
  const Json remarks = ask("doctor.run")["result"]["remarks"];
  ASSERT_EQ(remarks.size(), 3U);
  EXPECT_THAT(remarks[0].get<std::string>(), HasSubstr("by anna"));
}

TEST_F(QueueVerbsTest, ALaneIsSuspendedWithAnOwnerAndAnEnd) {
  const Json lane =
      ask("queue.suspend", {{"lane", "smtp:far.example"}, {"reason", "asked"}})["result"];
  EXPECT_EQ(lane["health"], "suspended");
  EXPECT_EQ(lane["suspended_by"], "anna: asked");
  EXPECT_EQ(ask("queue.lanes")["result"][0]["lane"], "smtp:far.example");
  EXPECT_THAT(ask("doctor.run")["result"]["remarks"][0].get<std::string>(),
              HasSubstr("smtp:far.example is suspended until"));
  EXPECT_THAT(refusal("queue.suspend", {{"lane", "x"}, {"for", "400 d"}}), HasSubstr("at most"));
  EXPECT_EQ(ask("queue.resume", {{"lane", "smtp:far.example"}})["result"]["health"], "healthy");
  EXPECT_THAT(refusal("queue.resume", {{"lane", "smtp:far.example"}}), HasSubstr("not suspended"));
}

TEST_F(QueueVerbsTest, ATraceTellsTheWayByTime) {
  const std::string id = accept("<1@example.org>", {"x@far.example"});
  ask("queue.hold", {{"id", id}, {"reason", "a look"}});
  ask("queue.remove", {{"id", id}});
  const Json all = ask("queue.trace", {{"message", "<1@example.org>"}})["result"]["messages"];
  ASSERT_EQ(all.size(), 1U);
  std::vector<std::string> what;
  std::string last;
  for (const Json& event : all[0]["events"]) {
    what.push_back(event["what"]);
    EXPECT_LE(last, event["when"].get<std::string>());
    last = event["when"];
  }
  for (const char* wanted : {"accepted", "ready", "reply", "held", "command", "removed", "ended"}) {
    EXPECT_THAT(what, ::testing::Contains(wanted));
  }
  EXPECT_THAT(refusal("queue.trace", {{"message", "no@x"}}), HasSubstr("no message"));
}

TEST_F(QueueVerbsTest, WhatIsExportedIsImportedOnce) {
  const std::string id = accept("<1@example.org>", {"x@far.example", "y@far.example"});
  ask("queue.remove", {{"id", id}, {"recipient", "y@far.example"}});
  Json out = ask("queue.export", {{"id", id}})["result"];
  const Json piece = ask("queue.content", {{"id", id}})["result"];
  const auto import = [&](const std::string& data) {
    const Json begun = ask("queue.import.begin", out);
    EXPECT_EQ(begun["ok"], true) << begun.dump();
    const Json upload = begun["result"]["upload"];
    ask("queue.import.data", {{"upload", upload}, {"offset", 0}, {"data", data}});
    return ask("queue.import.finish", {{"upload", upload}});
  };
  EXPECT_THAT(import(piece["data"])["error"]["text"].get<std::string>(), HasSubstr("still waits"));
  ask("queue.remove", {{"id", id}});
  EXPECT_THAT(import("")["error"]["text"].get<std::string>(), HasSubstr("nothing was imported"));
  std::string wrong = piece["data"];
  wrong[0] = wrong[0] == 'A' ? 'B' : 'A';
  EXPECT_THAT(import(wrong)["error"]["text"].get<std::string>(), HasSubstr("not those"));
  const Json first = import(piece["data"])["result"];
  EXPECT_EQ(first["known_already"], false);
  ASSERT_EQ(first["recipients"].size(), 1U);  // the other one had ended
  EXPECT_EQ(first["recipients"][0]["recipient"], "x@far.example");
  EXPECT_EQ(first["message_id"], "1@example.org");
  const Json again = import(piece["data"])["result"];
  EXPECT_EQ(again["known_already"], true);
  EXPECT_EQ(again["id"], first["id"]);
  EXPECT_EQ(ask("queue.content", {{"id", first["id"]}})["result"]["data"], piece["data"]);
}

TEST_F(QueueVerbsTest, UploadsAreBoundedAndForgotten) {
  const Json begin{{"sha256", std::string(64, '0')},
                   {"size", 10},
                   {"envelope", {{"sender", "a@x"}}},
                   {"recipients", {{{"address", "b@x"}}}}};
  Json last;
  for (int i = 0; i < 8; ++i) last = ask("queue.import.begin", begin)["result"]["upload"];
  EXPECT_THAT(refusal("queue.import.begin", begin), HasSubstr("too much"));
  EXPECT_THAT(refusal("queue.import.data", {{"upload", last}, {"offset", 3}, {"data", "QQ=="}}),
              HasSubstr("not the next"));
  sim.run_for(Duration::minutes(6));
  EXPECT_THAT(refusal("queue.import.data", {{"upload", last}, {"offset", 0}, {"data", "QQ=="}}),
              HasSubstr("begin again"));
  EXPECT_EQ(ask("queue.import.begin", begin)["ok"], true);
  Json bad = begin;
  bad["recipients"] = Json::array();
  EXPECT_THAT(refusal("queue.import.begin", bad), HasSubstr("had ended"));
  bad["recipients"] = {{{"address", "b@x\r\nDATA"}}};
  EXPECT_THAT(refusal("queue.import.begin", bad), HasSubstr("not an address"));
}

}  // namespace
}  // namespace ph::admin
