#include <gtest/gtest.h>

#include "base/random.h"
#include "base/text.h"
#include "codec/sasl/client.h"
#include "codec/sasl/detail/scram.h"
#include "codec/sasl/errors.h"
#include "codec/sasl/server.h"
#include "codec/sasl/verifier.h"

namespace ph::sasl {
namespace {

using namespace std::string_literals;

constexpr std::string_view kNonce = "0123456789abcdefgh";

Verifier verifier_of(std::string_view password) {
  return derive_verifier(password, {.salt = "salt-of-16-bytes"}).value();
}

Server make(std::string_view mechanism) { return Server::create(mechanism, kNonce).value(); }

template <class T>
const T& as(const Step& step) {
  const T* out = std::get_if<T>(&step);
  EXPECT_NE(out, nullptr) << "another step: " << step.index();
  static const T kNone{};
  return out != nullptr ? *out : kNone;
}

// RFC 7677 §3 gives one exchange: user "user", password "pencil".
TEST(Scram, ArithmeticFollowsTheExampleOfRfc7677) {
  const std::string salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
  const Verifier v = derive_verifier("pencil", {.salt = salt, .iterations = 4096}).value();
  const std::string text =
      "n=user,r=rOprNGfwEbeRWgbNEkqO,"
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  EXPECT_EQ(base64_encode(detail::hmac_sha256(v.server_key, text)),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  const std::string signature = detail::hmac_sha256(v.stored_key, text);
  const std::string proof = *base64_decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  const std::string client_key = detail::exclusive_or(proof, signature);
  EXPECT_EQ(client_key,
            detail::hmac_sha256(detail::salted_password("pencil", salt, 4096), "Client Key"));
}

TEST(Scram, ClientAndServerAgree) {
  Server server = make("SCRAM-SHA-256");
  ScramClient client({.user = "a=b,c", .password = "pass w\xC3\xB6rd", .acting_for = "shared"},
                     "client-nonce-18-oct");
  Step step = server.start(client.first());
  EXPECT_EQ(as<NeedVerifier>(step).user, "a=b,c");
  step = server.supply(verifier_of("pass w\xC3\xB6rd"));
  const auto final_message = client.final(as<Challenge>(step).bytes);
  ASSERT_TRUE(final_message.has_value());
  step = server.step(*final_message);
  EXPECT_TRUE(client.check(as<Challenge>(step).bytes).has_value());
  step = server.step("");
  EXPECT_EQ(as<Done>(step).user, "a=b,c");
  EXPECT_EQ(as<Done>(step).acting_for, "shared");
}

TEST(Scram, WaitsForTheFirstMessageWithoutInitialResponse) {
  Server server = make("SCRAM-SHA-256");
  EXPECT_EQ(as<Challenge>(server.start(std::nullopt)).bytes, "");
  EXPECT_EQ(as<NeedVerifier>(server.step("n,,n=u,r=abc")).user, "u");
}

TEST(Scram, WrongPasswordAndUnknownUserLookAlike) {
  const Verifier fake = fake_verifier({.secret = "server secret", .user = "nobody"});
  for (const Verifier& verifier : {verifier_of("right"), fake}) {
    Server server = make("SCRAM-SHA-256");
    ScramClient client({.user = "nobody", .password = "guess", .acting_for = ""}, kNonce);
    server.start(client.first());
    const Step challenge = server.supply(verifier);
    const auto final_message = client.final(as<Challenge>(challenge).bytes);
    ASSERT_TRUE(final_message.has_value());
    EXPECT_EQ(as<Failed>(server.step(*final_message)).reason, "wrong user or password");
  }
}

TEST(Scram, RefusesMalformedFirstMessages) {
  for (const std::string_view message :
       {"", "n", "n,", "n,,", "p=tls-unique,,n=u,r=x", "x,,n=u,r=x", "n,,r=x,n=u", "n,,m=x,n=u,r=x",
        "n,,n=u", "n,,n=u,r=", "n,,n=,r=x", "n,,n=u=2,r=x", "n,,n=u\x01,r=x", "n,,n=u,r=a b",
        "n,a=,n=u,r=x", "n,b=c,n=u,r=x", "n,,n=\xff,r=x"}) {
    Server server = make("SCRAM-SHA-256");
    const Step step = server.start(message);
    EXPECT_TRUE(std::holds_alternative<Failed>(step)) << message;
  }
}

TEST(Scram, RefusesTamperedFinalMessages) {
  const auto run = [](auto&& tamper) {
    Server server = make("SCRAM-SHA-256");
    ScramClient client({.user = "u", .password = "pw", .acting_for = ""}, kNonce);
    server.start(client.first());
    const Step challenge = server.supply(verifier_of("pw"));
    std::string message = client.final(std::get<Challenge>(challenge).bytes).value();
    tamper(message);
    return server.step(message);
  };
  EXPECT_TRUE(std::holds_alternative<Challenge>(run([](std::string&) {})));
  EXPECT_TRUE(std::holds_alternative<Failed>(run([](std::string& m) { m[2] = 'e'; })));
  EXPECT_TRUE(std::holds_alternative<Failed>(run([](std::string& m) { m[12] ^= 1; })));
  EXPECT_TRUE(std::holds_alternative<Failed>(run([](std::string& m) { m.resize(m.size() - 4); })));
  EXPECT_TRUE(std::holds_alternative<Failed>(run([](std::string& m) { m.clear(); })));
  EXPECT_TRUE(std::holds_alternative<Failed>(run([](std::string& m) {
    m.insert(m.rfind(",p="), ",x=y");  // signed text differs from what the client signed
  })));
}

// The proof is right for what it signs, but the nonce signed is not the one of this exchange.
TEST(Scram, RefusesAnotherNonceUnderARightProof) {
  const auto finish = [](std::string_view nonce_tail) {
    Server server = make("SCRAM-SHA-256");
    server.start("n,,n=u,r=abc");
    const std::string server_first = as<Challenge>(server.supply(verifier_of("pw"))).bytes;
    const std::string nonce = server_first.substr(2, server_first.find(',') - 2);
    const std::string without_proof = "c=biws,r=" + nonce + std::string(nonce_tail);
    const std::string salted =
        detail::salted_password("pw", "salt-of-16-bytes", kDefaultIterations);
    const std::string signature = detail::hmac_sha256(
        verifier_of("pw").stored_key, "n=u,r=abc," + server_first + "," + without_proof);
    const std::string proof =
        detail::exclusive_or(detail::hmac_sha256(salted, "Client Key"), signature);
    return server.step(without_proof + ",p=" + base64_encode(proof));
  };
  EXPECT_TRUE(std::holds_alternative<Challenge>(finish("")));
  EXPECT_TRUE(std::holds_alternative<Failed>(finish("x")));
}

TEST(ScramClient, RefusesAHostileServer) {
  const auto final_of = [](std::string_view server_first) {
    ScramClient client({.user = "u", .password = "p", .acting_for = ""}, kNonce);
    client.first();
    return client.final(server_first);
  };
  const std::string nonce = base64_encode(kNonce);
  EXPECT_TRUE(final_of("r=" + nonce + "x,s=c2FsdA==,i=4096").has_value());
  EXPECT_FALSE(final_of("r=" + nonce + ",s=c2FsdA==,i=4096").has_value());
  EXPECT_FALSE(final_of("r=other,s=c2FsdA==,i=4096").has_value());
  EXPECT_FALSE(final_of("r=" + nonce + "x,s=c2FsdA==,i=4000000000").has_value());
  EXPECT_FALSE(final_of("r=" + nonce + "x,s=c2FsdA==,i=0").has_value());
  EXPECT_FALSE(final_of("r=" + nonce + "x,s=,i=4096").has_value());
  EXPECT_FALSE(final_of("").has_value());
  const ScramClient unused({.user = "u", .password = "p", .acting_for = ""}, kNonce);
  EXPECT_FALSE(unused.check("v=").has_value());
  EXPECT_TRUE(unused.check("e=other-error").error().is(kServerRefused));
}

TEST(Plain, AsksForThePasswordCheck) {
  Server server = make("PLAIN");
  const Step step = server.start("boss\0user\0secret"s);
  EXPECT_EQ(as<CheckPassword>(step).user, "user");
  EXPECT_EQ(as<CheckPassword>(step).password, "secret");
  const Step done = server.password_checked(PasswordVerdict::right);
  EXPECT_EQ(as<Done>(done).user, "user");
  EXPECT_EQ(as<Done>(done).acting_for, "boss");
}

TEST(Plain, ActingForOneselfIsNobodyElse) {
  Server server = make("PLAIN");
  EXPECT_EQ(as<Challenge>(server.start(std::nullopt)).bytes, "");
  server.step(plain_message({.user = "user", .password = "pw", .acting_for = "user"}));
  EXPECT_EQ(as<Done>(server.password_checked(PasswordVerdict::right)).acting_for, "");
}

TEST(Plain, RefusesMalformedMessages) {
  for (const std::string& message :
       {""s, "user"s, "user\0pw"s, "\0\0"s, "\0user\0"s, "\0\0pw"s, "\0u\0p\0"s, "\0u\0p\n"s,
        "\x01\0u\0p"s, "\0\xff\0p"s, "\0"s + std::string(2000, 'u') + "\0p"s}) {
    Server server = make("PLAIN");
    EXPECT_TRUE(std::holds_alternative<Failed>(server.start(message))) << hex_encode(message);
  }
}

TEST(Plain, WrongPasswordFails) {
  Server server = make("PLAIN");
  server.start("\0u\0p"s);
  EXPECT_TRUE(std::holds_alternative<Failed>(server.password_checked(PasswordVerdict::wrong)));
}

TEST(Login, AsksForNameThenPassword) {
  Server server = make("LOGIN");
  EXPECT_EQ(as<Challenge>(server.start(std::nullopt)).bytes, "Username:");
  EXPECT_EQ(as<Challenge>(server.step("user")).bytes, "Password:");
  EXPECT_EQ(as<CheckPassword>(server.step("pw")).password, "pw");
}

TEST(Login, TakesTheNameAsInitialResponse) {
  Server server = make("LOGIN");
  EXPECT_EQ(as<Challenge>(server.start("user")).bytes, "Password:");
  EXPECT_EQ(as<CheckPassword>(server.step("pw")).user, "user");
}

TEST(Login, AnEmptyNameFailsOnlyAtTheEnd) {
  Server server = make("LOGIN");
  EXPECT_EQ(as<Challenge>(server.start("")).bytes, "Password:");
  EXPECT_TRUE(std::holds_alternative<Failed>(server.step("pw")));
}

TEST(SaslServer, RefusesUnknownMechanismsAndEndlessResponses) {
  EXPECT_TRUE(Server::create("CRAM-MD5", kNonce).error().is(kUnknownMechanism));
  for (const std::string& mechanism : server_mechanisms()) {
    Server server = make(mechanism);
    EXPECT_TRUE(std::holds_alternative<Failed>(server.start(std::string(20'000, 'a'))));
  }
}

TEST(Verifier, ChecksPasswords) {
  const Verifier v = verifier_of("correct horse");
  EXPECT_EQ(check_password(v, "correct horse"), PasswordVerdict::right);
  EXPECT_EQ(check_password(v, "correct hors"), PasswordVerdict::wrong);
  EXPECT_EQ(check_password(v, ""), PasswordVerdict::wrong);
  EXPECT_EQ(check_password(v, std::string(4000, 'a')), PasswordVerdict::wrong);
  EXPECT_EQ(check_password(Verifier{}, ""), PasswordVerdict::wrong);
}

TEST(Verifier, RefusesBadInput) {
  EXPECT_TRUE(derive_verifier("", {.salt = "12345678"}).error().is(kBadPassword));
  EXPECT_TRUE(derive_verifier("a\nb", {.salt = "12345678"}).error().is(kBadPassword));
  EXPECT_TRUE(derive_verifier("\xff", {.salt = "12345678"}).error().is(kBadPassword));
  EXPECT_TRUE(derive_verifier("pw", {.salt = "short"}).error().is(kBadVerifier));
  EXPECT_TRUE(
      derive_verifier("pw", {.salt = "12345678", .iterations = 1}).error().is(kBadVerifier));
}

TEST(Verifier, SurvivesItsText) {
  const Verifier v = verifier_of("pw");
  const std::string text = to_text(v);
  EXPECT_EQ(parse_verifier(text).value(), v);
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(parse_verifier(text.substr(0, i)).has_value()) << i;
  }
  EXPECT_FALSE(parse_verifier(text + "=").has_value());
}

TEST(Verifier, PretenceIsStableAndUnlikeOthers) {
  const Verifier a = fake_verifier({.secret = "s", .user = "a"});
  EXPECT_EQ(a, fake_verifier({.secret = "s", .user = "a"}));
  EXPECT_NE(a, fake_verifier({.secret = "s", .user = "b"}));
  EXPECT_NE(a, fake_verifier({.secret = "t", .user = "a"}));
  EXPECT_EQ(a.salt.size(), 16U);
  EXPECT_EQ(a.iterations, kDefaultIterations);
  EXPECT_EQ(check_password(a, "pw"), PasswordVerdict::wrong);
}

TEST(SaslServer, NeverCrashesOnRandomSteps) {
  Random random(7);
  for (int run = 0; run < 2000; ++run) {
    const auto mechanisms = server_mechanisms();
    Server server = make(mechanisms[random.below(mechanisms.size())]);
    Step step = server.start(random.bytes(random.below(40)));
    for (int i = 0; i < 4; ++i) {
      if (std::holds_alternative<CheckPassword>(step)) {
        step = server.password_checked(PasswordVerdict::wrong);
      } else if (std::holds_alternative<NeedVerifier>(step)) {
        step = server.supply(fake_verifier({.secret = "s", .user = "u"}));
      } else if (std::holds_alternative<Challenge>(step)) {
        step = server.step(random.bytes(random.below(40)));
      }
    }
    EXPECT_FALSE(std::holds_alternative<Done>(step));
  }
}

}  // namespace
}  // namespace ph::sasl
