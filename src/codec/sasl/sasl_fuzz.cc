// The first octet chooses the mechanism; the rest, cut at 0xFE, are the client's responses.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/text.h"
#include "codec/sasl/client.h"
#include "codec/sasl/server.h"

namespace {

using namespace ph::sasl;

void run_server(std::string_view mechanism, const std::vector<std::string_view>& responses) {
  Server server = Server::create(mechanism, "0123456789abcdefgh").value();
  Step step = server.start(responses.front());
  size_t at = 1;
  while (true) {
    PH_CHECK(!std::holds_alternative<Done>(step));  // nobody guesses the password here
    if (std::holds_alternative<Failed>(step)) return;
    if (std::holds_alternative<CheckPassword>(step)) {
      step = server.password_checked(PasswordVerdict::wrong);
    } else if (std::holds_alternative<NeedVerifier>(step)) {
      step = server.supply(fake_verifier({.secret = "secret", .user = "user"}));
    } else {
      if (at == responses.size()) return;
      step = server.step(responses[at++]);
    }
  }
}

void run_client(const std::vector<std::string_view>& messages) {
  ScramClient client({.user = "user", .password = "pw", .acting_for = ""}, "0123456789abcdefgh");
  client.first();
  // Large iteration counts are right but slow here.
  if (messages.front().find(",i=") != std::string_view::npos && messages.front().size() > 60)
    return;
  const auto final_message = client.final(messages.front());
  if (messages.size() > 1) PH_CHECK(!client.check(messages[1]).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 20'000) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto responses = ph::split(input.substr(1), '\xFE');
  const auto mechanisms = server_mechanisms();
  const size_t choice = data[0] % (mechanisms.size() + 2);
  if (choice < mechanisms.size()) {
    run_server(mechanisms[choice], responses);
  } else if (choice == mechanisms.size()) {
    run_client(responses);
  } else if (const auto verifier = parse_verifier(input.substr(1))) {
    PH_CHECK(parse_verifier(to_text(*verifier)).value() == *verifier);
  }
  return 0;
}
