#include <gtest/gtest.h>

#include "base/random.h"
#include "codec/tls/context.h"
#include "codec/tls/engine.h"
#include "codec/tls/errors.h"

namespace ph::tls {
namespace {

const Time kNow = Time::from_unix_s(1'790'000'000);

const SelfSigned& identity() {
  static const SelfSigned kIdentity =
      make_self_signed({"mx.example.org", "*.mail.example.org"}, kNow).value();
  return kIdentity;
}

Context server_context() {
  return Context::server(
             {.certificate_pem = identity().certificate_pem, .key_pem = identity().key_pem})
      .value();
}

Context trusting() {
  return Context::client({.bundle_path = "", .bundle_pem = identity().certificate_pem}).value();
}

Context trusting_nobody() { return Context::client({}).value(); }

// Two engines and the wire between them. `cut` limits the octets given to feed() at once.
struct Pair {
  Engine client;
  Engine server;
  size_t cut = 1'000'000;

  Pair(const Context& client_context, const ClientSetup& setup)
      : client(Engine::client(client_context, setup)), server(Engine::server(server_context())) {
    client.start();
  }

  void carry(Engine& from, Engine& to) const {
    const std::string wire = from.take_output();
    for (size_t at = 0; at < wire.size();) {
      const size_t used = to.feed(std::string_view(wire).substr(at, cut));
      ASSERT_GT(used, 0U) << "stuck";
      at += used;
    }
  }
  void run() {
    while (client.has_output() || server.has_output()) {
      carry(client, server);
      carry(server, client);
    }
  }
};

ClientSetup setup_for(std::string host, Verify verify) {
  return {.host = std::move(host), .verify = verify, .now = kNow + Duration::days(1)};
}

TEST(Tls, CarriesOctetsBothWaysHoweverCut) {
  const Context context = trusting();
  for (const size_t cut : {size_t{1}, size_t{7}, size_t{1000}, size_t{1'000'000}}) {
    Pair pair(context, setup_for("mx.example.org", Verify::required));
    pair.cut = cut;
    pair.run();
    ASSERT_EQ(pair.client.state(), State::open) << cut;
    ASSERT_EQ(pair.server.state(), State::open) << cut;
    ASSERT_TRUE(pair.client.write("hello").has_value());
    ASSERT_TRUE(pair.server.write("welcome").has_value());
    pair.run();
    EXPECT_EQ(pair.server.plaintext(), "hello");
    EXPECT_EQ(pair.client.plaintext(), "welcome");
  }
}

TEST(Tls, TellsWhatWasAgreed) {
  Pair pair(trusting(), setup_for("mx.example.org", Verify::required));
  pair.run();
  const Info info = pair.client.info();
  EXPECT_EQ(info.version, "TLSv1.3");
  EXPECT_FALSE(info.cipher.empty());
  EXPECT_TRUE(info.peer_verified);
  EXPECT_EQ(info.peer_problem, "");
  EXPECT_EQ(pair.server.info().server_name, "mx.example.org");
  EXPECT_FALSE(pair.server.info().peer_verified);
  ASSERT_TRUE(pair.client.channel_binding().has_value());
  EXPECT_EQ(pair.client.channel_binding()->size(), 32U);
  EXPECT_EQ(pair.client.channel_binding(), pair.server.channel_binding());
}

TEST(Tls, RequiredVerificationRefusesStrangersAndOtherNames) {
  struct Case {
    Context context;
    ClientSetup setup;
  };
  std::vector<Case> cases;
  cases.push_back({trusting_nobody(), setup_for("mx.example.org", Verify::required)});
  cases.push_back({trusting(), setup_for("other.example.org", Verify::required)});
  cases.push_back({trusting(), setup_for("192.0.2.1", Verify::required)});
  cases.push_back({trusting(), setup_for("", Verify::required)});
  cases.push_back(
      {trusting(),
       {.host = "mx.example.org", .verify = Verify::required, .now = kNow + Duration::days(3660)}});
  cases.push_back(
      {trusting(),
       {.host = "mx.example.org", .verify = Verify::required, .now = kNow - Duration::seconds(1)}});
  for (const Case& one : cases) {
    Pair pair(one.context, one.setup);
    pair.run();
    EXPECT_EQ(pair.client.state(), State::failed) << one.setup.host;
    ASSERT_TRUE(pair.client.error().has_value());
    EXPECT_TRUE(pair.client.error()->is(kPeerNotVerified)) << pair.client.error()->to_text();
    EXPECT_FALSE(pair.client.write("secret").has_value());
    EXPECT_NE(pair.server.state(), State::open);
  }
}

TEST(Tls, OpportunisticGoesOnAndSaysWhyNotVerified) {
  Pair stranger(trusting_nobody(), setup_for("mx.example.org", Verify::opportunistic));
  stranger.run();
  EXPECT_EQ(stranger.client.state(), State::open);
  EXPECT_FALSE(stranger.client.info().peer_verified);
  EXPECT_NE(stranger.client.info().peer_problem, "");

  Pair misnamed(trusting(), setup_for("other.example.org", Verify::opportunistic));
  misnamed.run();
  EXPECT_EQ(misnamed.client.state(), State::open);
  EXPECT_FALSE(misnamed.client.info().peer_verified);

  Pair nameless(trusting(), setup_for("", Verify::opportunistic));
  nameless.run();
  EXPECT_EQ(nameless.client.state(), State::open);
  EXPECT_FALSE(nameless.client.info().peer_verified);

  Pair wildcard(trusting(), setup_for("a.mail.example.org", Verify::opportunistic));
  wildcard.run();
  EXPECT_TRUE(wildcard.client.info().peer_verified);
}

TEST(Tls, CloseNotifyIsACleanEndAndSilenceIsNot) {
  Pair pair(trusting_nobody(), setup_for("mx.example.org", Verify::opportunistic));
  pair.run();
  ASSERT_TRUE(pair.client.write("bye").has_value());
  pair.client.close();
  pair.run();
  EXPECT_EQ(pair.server.plaintext(), "bye");
  EXPECT_EQ(pair.server.state(), State::peer_closed);
  pair.server.end_of_stream();
  EXPECT_EQ(pair.server.state(), State::peer_closed);
  EXPECT_FALSE(pair.client.write("more").has_value());

  pair.client.end_of_stream();
  EXPECT_EQ(pair.client.state(), State::failed);
  EXPECT_TRUE(pair.client.error()->is(kTruncated));
}

TEST(Tls, EndDuringTheHandshakeFails) {
  Pair pair(trusting_nobody(), setup_for("mx.example.org", Verify::opportunistic));
  pair.server.end_of_stream();
  EXPECT_TRUE(pair.server.error()->is(kHandshakeFailed));
}

TEST(Tls, GarbageFailsTheHandshakeWithAnAlert) {
  Engine server = Engine::server(server_context());
  const std::string_view text = "EHLO client.example.org\r\n";
  EXPECT_EQ(server.feed(text), text.size());
  EXPECT_EQ(server.state(), State::failed);
  EXPECT_TRUE(server.error()->is(kHandshakeFailed));
}

TEST(Tls, DamagedRecordsFail) {
  Pair pair(trusting_nobody(), setup_for("mx.example.org", Verify::opportunistic));
  pair.run();
  ASSERT_TRUE(pair.client.write("hello").has_value());
  std::string wire = pair.client.take_output();
  wire.back() = static_cast<char>(wire.back() ^ 1);
  pair.server.feed(wire);
  EXPECT_EQ(pair.server.state(), State::failed);
  EXPECT_TRUE(pair.server.error()->is(kProtocol));
  EXPECT_EQ(pair.server.plaintext(), "");
}

TEST(Tls, ASlowReaderHoldsTheWriterBack) {
  Pair pair(trusting_nobody(), setup_for("mx.example.org", Verify::opportunistic));
  pair.run();
  Random random(3);
  const std::string sent = random.bytes(1'000'000);
  ASSERT_TRUE(pair.client.write(sent).has_value());
  const std::string wire = pair.client.take_output();
  std::string_view rest = wire;
  std::string got;
  while (true) {
    const size_t used = pair.server.feed(rest);
    rest.remove_prefix(used);
    ASSERT_LE(pair.server.plaintext().size(), Engine::kPlaintextCap + 16 * 1024);
    const size_t take = std::min<size_t>(pair.server.plaintext().size(), 1 + random.below(50'000));
    if (used == 0 && take == 0) break;
    got += pair.server.plaintext().substr(0, take);
    pair.server.consume(take);
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_TRUE(got == sent);
}

TEST(Tls, EnginesCanMoveAndOutliveTheirContext) {
  std::vector<Engine> engines;
  {
    const Context context = server_context();
    engines.push_back(Engine::server(context));
  }
  engines.push_back(
      Engine::client(trusting_nobody(), setup_for("mx.example.org", Verify::opportunistic)));
  engines.reserve(100);
  engines[1].start();
  for (int i = 0; i < 3; ++i) {
    engines[0].feed(engines[1].take_output());
    engines[1].feed(engines[0].take_output());
  }
  EXPECT_EQ(engines[0].state(), State::open);
  EXPECT_EQ(engines[1].state(), State::open);
}

TEST(Context, RefusesUnusableInput) {
  const SelfSigned other = make_self_signed({"other"}, kNow).value();
  const std::string& certificate = identity().certificate_pem;
  const std::string& key = identity().key_pem;
  const auto made = [](std::string_view c, std::string_view k) {
    return Context::server({.certificate_pem = c, .key_pem = k});
  };
  EXPECT_TRUE(made(certificate, key).has_value());
  EXPECT_TRUE(made(certificate + other.certificate_pem, key).has_value());
  EXPECT_TRUE(made("", key).error().is(kBadCertificate));
  EXPECT_TRUE(made(certificate, "").error().is(kBadCertificate));
  EXPECT_TRUE(made(certificate, other.key_pem).error().is(kBadCertificate));
  EXPECT_TRUE(made(certificate.substr(0, 200), key).error().is(kBadCertificate));
  EXPECT_TRUE(made(certificate + certificate.substr(0, 200), key).error().is(kBadCertificate));
  EXPECT_TRUE(
      Context::client({.bundle_path = "/nonexistent", .bundle_pem = ""}).error().is(kBadTrust));
  EXPECT_TRUE(Context::client({.bundle_path = "", .bundle_pem = "garbage"}).error().is(kBadTrust));
}

TEST(SelfSigned, NeedsDnsNames) {
  EXPECT_TRUE(make_self_signed({}, kNow).error().is(kBadCertificate));
  EXPECT_TRUE(make_self_signed({"a,IP:1.2.3.4"}, kNow).error().is(kBadCertificate));
  EXPECT_TRUE(make_self_signed({""}, kNow).error().is(kBadCertificate));
  EXPECT_TRUE(make_self_signed({std::string(100, 'a') + ".example"}, kNow).has_value());
}

}  // namespace
}  // namespace ph::tls
