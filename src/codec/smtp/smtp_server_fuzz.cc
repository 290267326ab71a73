// The first two octets choose options and how the input is cut. The engine must not crash, must
// make progress, must keep its output bounded, and must give the same when the input comes whole.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/server.h"

namespace {

using namespace ph::smtp;

struct Run {
  std::string events;
  std::string output;
  std::string content;
  bool operator==(const Run&) const = default;
};

ServerOptions options_from(uint8_t choice) {
  ServerOptions out;
  out.host = "mx.example.org";
  out.protocol = (choice & 1) != 0 ? Protocol::lmtp : Protocol::smtp;
  out.offer_starttls = (choice & 2) != 0;
  out.auth = (choice & 4) != 0 ? AuthOffer::always : AuthOffer::over_tls;
  out.mechanisms = {"PLAIN", "LOGIN"};
  out.size_max = {(choice & 8) != 0 ? 100U : 100'000U};
  if ((choice & 32) != 0) {
    out.mail = {.mt_priority = true,
                .priority_profile = {},
                .deliver_by = true,
                .deliver_by_min_s = 60,
                .hold_max_s = 3600,
                .hold_until_max = "2026-11-22T02:50:16Z"};
  }
  out.data_line_max = (choice & 16) != 0 ? 20 : 1000;
  return out;
}

void answer(Server& server, size_t kind, size_t count) {
  if (kind == std::variant_npos) return;
  if (kind == 7 && count % 3 == 0) return server.challenge("x");  // AuthStart
  if (kind == 8 && count % 3 == 0) return server.challenge("y");  // AuthResponse
  if (count % 5 == 4) return server.answer(replies::kTryLater);
  server.accept();
}

bool is_answered(size_t kind) {
  constexpr std::string_view kAnswered = "yyyyynyyyynnn";  // in the order of ServerEvent
  return kAnswered.at(kind) == 'y';
}

Run run(std::string_view input, uint8_t choice, size_t cut) {
  Server server(options_from(choice));
  Run out;
  std::string unread;
  size_t count = 0;
  while (true) {
    const size_t used = server.feed(unread);
    PH_CHECK(used <= unread.size());
    bool any = false;
    while (auto event = server.next()) {
      any = true;
      if (const auto* chunk = std::get_if<DataChunk>(&*event)) {
        PH_CHECK(!chunk->content.empty());
        out.content += chunk->content;
        continue;
      }
      out.events += static_cast<char>('a' + event->index());
      if (is_answered(event->index())) answer(server, event->index(), ++count);
    }
    unread.erase(0, used);
    if (used > 0 || any) continue;
    if (server.has_output()) {
      const std::string more = server.take_output();
      PH_CHECK(more.size() < 200'000);
      out.output += more;
      continue;
    }
    if (server.phase() == ServerPhase::handshake && input.empty()) server.tls_started();
    if (input.empty()) return out;
    unread += input.substr(0, cut);
    input.remove_prefix(std::min(cut, input.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 100'000) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t cut = 1 + data[1] % 40U;
  PH_CHECK(run(input, data[0], input.size() + 1) == run(input, data[0], cut));
  return 0;
}
