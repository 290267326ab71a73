// What a sender asked for besides delivery, on its way to the next hop: DSN, MT-PRIORITY,
// DELIVERBY; and next hops that have enough of us.
#include <gtest/gtest.h>

#include "front/smtp_out/carrier.h"
#include "front/smtp_out/detail/connection.h"
#include "front/smtp_out/detail/smtp_out_test_world.h"

namespace ph::smtp_out {
namespace {

using model::QueueReason;
using queue::CarryResult;
using queue::CarryVerdict;
using queue::Onward;
using Mode = model::DeliverBy::Mode;

class SmtpOutExtensions : public SmtpOutTest {
 protected:
  void offer_all() {
    hop->options.mail.mt_priority = true;
    hop->options.mail.deliver_by = true;
    make_session();
  }
  queue::CarryWork in_time(Mode mode, Duration left) {
    queue::CarryWork w = work();
    w.envelope.deliver_by = {mode, sim.wall() + left, false};
    return w;
  }
};

TEST_F(SmtpOutExtensions, WhatWasAskedOfReportsGoesToWhoOffersDsn) {
  queue::CarryWork w = work({"a@example.net", "b@example.net", "c@example.net"});
  w.envelope.envelope_id = "id+1";
  w.envelope.dsn_return = model::DsnReturn::headers;
  w.recipients[0].recipient.notify.success = true;
  w.recipients[0].recipient.original_type = "rfc822";
  w.recipients[0].recipient.original_address = "first@example.net";
  w.recipients[1].recipient.notify.never = true;
  const CarryResult result = carry(w);
  ASSERT_EQ(hop->letters.size(), 1U);
  const Letter& letter = hop->letters[0];
  EXPECT_EQ(letter.parameters.envelope_id, "id+1");
  EXPECT_EQ(letter.parameters.dsn_return, smtp::DsnReturn::headers);
  ASSERT_EQ(letter.asked.size(), 3U);
  EXPECT_TRUE(letter.asked[0].notify.success);
  EXPECT_EQ(letter.asked[0].original->address, "first@example.net");
  EXPECT_TRUE(letter.asked[1].notify.never);
  EXPECT_FALSE(letter.asked[2].notify.is_given());
  ASSERT_EQ(result.outcomes.size(), 3U);
  EXPECT_EQ(result.outcomes[0].onward, Onward::next_hop_reports);
  EXPECT_EQ(result.outcomes[1].onward, Onward::next_hop_reports);
  EXPECT_EQ(result.outcomes[2].onward, Onward::reports_end_here);  // it was given nothing
}

// RFC 3461 section 5.2.2: nothing of it is said, and whoever asked for a success hears of us.
TEST_F(SmtpOutExtensions, ReportsEndAtAPeerWithoutDsn) {
  conduct().hides = {"DSN"};
  queue::CarryWork w = work({"a@example.net", "b@example.net"});
  w.envelope.envelope_id = "id";
  w.envelope.dsn_return = model::DsnReturn::full;
  w.recipients[0].recipient.notify.success = true;
  w.recipients[1].recipient.notify.never = true;
  const CarryResult result = carry(w);
  const Letter& letter = hop->letters.at(0);
  EXPECT_EQ(letter.sender, "alice@example.org");
  EXPECT_EQ(letter.parameters.envelope_id, "");
  EXPECT_EQ(letter.parameters.dsn_return, smtp::DsnReturn::unspecified);
  for (const auto& asked : letter.asked) EXPECT_EQ(asked, smtp::RcptParameters());
  for (const auto& outcome : result.outcomes) {
    EXPECT_EQ(outcome.verdict, CarryVerdict::relayed);
    EXPECT_EQ(outcome.onward, Onward::reports_end_here);
  }
}

TEST_F(SmtpOutExtensions, ARefusedRecipientsReportIsOurs) {
  conduct().by_recipient["bob@example.net"] = smtp::Reply{550, {5, 1, 1}, "no such user"};
  queue::CarryWork w = work();
  w.recipients[0].recipient.notify.success = true;
  EXPECT_EQ(only(carry(w)).onward, Onward::reports_end_here);
}

TEST_F(SmtpOutExtensions, PriorityGoesToWhoOffersItAndAddsNothingElsewhere) {
  queue::CarryWork w = work();
  w.envelope.mt_priority = 5;
  expect_relayed(carry(w));
  EXPECT_FALSE(hop->letters[0].parameters.priority.has_value());
  EXPECT_EQ(hop->letters[0].content, "Subject: hello\r\n\r\n.dot\r\n");
  offer_all();
  expect_relayed(carry(w));
  EXPECT_EQ(hop->letters[1].parameters.priority, 5);
  expect_relayed(carry(work()));
  EXPECT_EQ(hop->letters[2].parameters.priority, 0);
}

TEST_F(SmtpOutExtensions, TheTimeThatIsLeftIsPassedOn) {
  offer_all();
  hop->options.mail.deliver_by_min_s = 60;
  // The dialogue up to MAIL takes some of it, and a part of a second counts for nothing.
  const CarryResult back = carry(in_time(Mode::return_it, Duration::milliseconds(120'500)));
  expect_relayed(back);
  const auto& by = hop->letters.at(0).parameters.deliver_by;
  ASSERT_TRUE(by.has_value());
  EXPECT_EQ(by->mode, smtp::DeliverBy::Mode::return_it);
  EXPECT_LE(by->seconds, 120);
  EXPECT_GE(by->seconds, 118);
  EXPECT_EQ(only(back).onward, Onward::next_hop_reports);
  expect_relayed(carry(in_time(Mode::notify, Duration::seconds(-90))));
  const auto& late = hop->letters.at(1).parameters.deliver_by;
  ASSERT_TRUE(late.has_value());
  EXPECT_EQ(late->mode, smtp::DeliverBy::Mode::notify);
  EXPECT_LE(late->seconds, -90);
  EXPECT_GE(late->seconds, -92);
}

TEST_F(SmtpOutExtensions, WhatIsToComeBackInTimeDoesNotGoToWhoDoesNotPromiseIt) {
  const CarryResult lacking = carry(in_time(Mode::return_it, Duration::hours(1)));
  EXPECT_EQ(only(lacking).verdict, CarryVerdict::permanent);
  EXPECT_EQ(only(lacking).reason, QueueReason::deliver_by_unsupported);
  EXPECT_EQ(to_text(only(lacking).reply.enhanced), "5.4.7");
  EXPECT_FALSE(lacking.lane_fault.has_value());
  offer_all();
  hop->options.mail.deliver_by_min_s = 4000;
  const CarryResult hurried = carry(in_time(Mode::return_it, Duration::hours(1)));
  EXPECT_EQ(only(hurried).reason, QueueReason::deliver_by_unsupported);
  EXPECT_EQ(to_text(only(hurried).reply.enhanced), "5.4.7");
  // It ended on the way to the peer: no failure of the peer's, the row's clock has the word.
  const CarryResult over = carry(in_time(Mode::return_it, Duration::milliseconds(1)));
  EXPECT_EQ(only(over).verdict, CarryVerdict::transient);
  EXPECT_FALSE(over.lane_fault.has_value());
  EXPECT_TRUE(hop->letters.empty());
  expect_relayed(carry(work()));
}

TEST_F(SmtpOutExtensions, ANoticeOfDelayEndsAtAPeerWithoutDeliverBy) {
  queue::CarryWork w = in_time(Mode::notify, Duration::hours(1));
  w.recipients[0].recipient.notify.success = true;
  const CarryResult result = carry(w);
  expect_relayed(result);
  EXPECT_FALSE(hop->letters.at(0).parameters.deliver_by.has_value());
  EXPECT_TRUE(hop->letters.at(0).asked.at(0).notify.success);
  EXPECT_EQ(only(result).onward, Onward::reports_end_here);
}

// RFC 2852 section 4.1.4.2: it is asked for delays in the place of BY, but by whom they are wanted.
TEST_F(SmtpOutExtensions, APeerWithoutDeliverByIsAskedForDelays) {
  const auto asked = [this](const model::Notify& notify) {
    queue::CarryWork w = in_time(Mode::notify, Duration::hours(1));
    w.recipients[0].recipient.notify = notify;
    expect_relayed(carry(std::move(w)));
    return hop->letters.back().asked.at(0).notify;
  };
  hop->options.mail.deliver_by = false;
  EXPECT_EQ(asked({}), (smtp::DsnNotify{.failure = true, .delay = true}));
  EXPECT_EQ(asked({.success = true}), (smtp::DsnNotify{.success = true, .delay = true}));
  EXPECT_EQ(asked({.never = true}), (smtp::DsnNotify{.never = true}));
}

TEST_F(SmtpOutExtensions, APeerWithDeliverByIsAskedForNothingMore) {
  offer_all();
  queue::CarryWork w = in_time(Mode::notify, Duration::hours(1));
  w.recipients[0].recipient.notify.success = true;
  expect_relayed(carry(std::move(w)));
  EXPECT_EQ(hop->letters.back().asked.at(0).notify, (smtp::DsnNotify{.success = true}));
}

TEST_F(SmtpOutExtensions, AnLmtpServerDeliversAndPromisesNothing) {
  hop->options.protocol = smtp::Protocol::lmtp;
  to.kind = queue::HopKind::lmtp;
  make_session();
  expect_relayed(carry(in_time(Mode::return_it, Duration::hours(1))));
}

TEST_F(SmtpOutExtensions, APeerWithEnoughConnectionsIsNoFaultyLane) {
  struct Case {
    const char* stage;
    smtp::Reply reply;
  };
  for (const Case& c :
       {Case{"connected", {421, {4, 7, 0}, "too many connections from 192.0.2.1"}},
        Case{"connected", {421, {}, "Too many concurrent SMTP connections; try later"}},
        Case{"connected", {421, {4, 3, 2}, "The maximum number of connections was reached"}},
        Case{"connected", {554, {5, 7, 0}, "Too many simultaneous sessions"}},
        Case{"hello", {421, {4, 4, 5}, "session limit exceeded"}},
        Case{"mail", {421, {4, 7, 0}, "too many open connections"}}}) {
    SCOPED_TRACE(c.reply.text);
    hop->conducts = {Conduct{}};
    conduct().replies[c.stage] = c.reply;
    make_session();
    const CarryResult result = carry(work());
    EXPECT_TRUE(result.crowded);
    EXPECT_FALSE(result.lane_fault.has_value());
    EXPECT_EQ(result.fault.code, c.reply.code);
    EXPECT_EQ(result.fault.text, c.reply.text);
    EXPECT_TRUE(result.outcomes.empty());
    // It may be used again, and connects anew.
    hop->conducts = {Conduct{}};
    const CarryResult again = carry(work());
    EXPECT_FALSE(again.crowded);
    expect_relayed(again);
  }
}

TEST_F(SmtpOutExtensions, A421ThatDoesNotSpeakOfConnectionsIsTheLanesFault) {
  for (const smtp::Reply& reply :
       {smtp::Reply{421, {4, 3, 2}, "shutting down"}, smtp::Reply{421, {4, 7, 0}, "too busy"},
        smtp::Reply{421, {4, 3, 1}, "too many messages in the queue"},
        smtp::Reply{421, {4, 4, 2}, "connection timed out"},
        smtp::Reply{554, {5, 7, 1}, "no connection for you"}}) {
    SCOPED_TRACE(reply.text);
    hop->conducts = {Conduct{}};
    conduct().replies["connected"] = reply;
    make_session();
    const CarryResult result = carry(work());
    EXPECT_FALSE(result.crowded);
    EXPECT_TRUE(result.lane_fault.has_value());
  }
  // A connection that is cut or not taken says nothing about why.
  hop->conducts = {Conduct{}};
  conduct().drop_at = "connected";
  make_session();
  EXPECT_FALSE(carry(work()).crowded);
}

TEST_F(SmtpOutExtensions, OneCrowdedHostSpeaksForTheHopWhoseOthersAreGone) {
  to.hosts.push_back({"mx2.example.net", {also_there.ipv4()}, 25});  // nobody listens there
  conduct().replies["connected"] = smtp::Reply{421, {4, 7, 0}, "too many connections"};
  make_session();
  EXPECT_TRUE(carry(work()).crowded);
}

}  // namespace
}  // namespace ph::smtp_out
