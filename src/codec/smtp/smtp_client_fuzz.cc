// A hostile server: the first octet chooses options, the second how its words are cut. The engine
// must not crash, must keep its events bounded, and must give the same when all comes at once.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "codec/smtp/client.h"

namespace {

using namespace ph::smtp;

constexpr std::string_view kContent = "hello\r\n.world\r\n";

Envelope envelope(uint8_t choice) {
  Envelope out;
  if ((choice & 16) != 0) {
    out.parameters.priority = -4;
    out.parameters.deliver_by = DeliverBy{DeliverBy::Mode::return_it, 100, true};
  }
  out.sender = {.local = "s", .domain = "example.org"};
  out.parameters.size = kContent.size();
  out.recipients.push_back({.path = {.local = "a", .domain = "example.org"}, .parameters = {}});
  out.recipients.push_back({.path = {.local = "b", .domain = "example.org"}, .parameters = {}});
  return out;
}

class Driver {
 public:
  Driver(ClientOptions options, uint8_t choice) : client_(std::move(options)), choice_(choice) {}

  std::string run(std::string_view said, size_t cut) {
    std::string unread;
    while (true) {
      const size_t used = client_.feed(unread);
      PH_CHECK(used <= unread.size());
      unread.erase(0, used);
      bool any = false;
      while (auto event = client_.next()) {
        any = true;
        PH_CHECK(log_.size() <= 1'000'000);
        log_ += static_cast<char>('a' + event->index());
        on(*event);
      }
      output_ += client_.take_output();
      if (used > 0 || any) continue;
      if (said.empty()) break;
      unread += said.substr(0, cut);
      said.remove_prefix(std::min(cut, said.size()));
    }
    client_.lost("end");
    while (auto event = client_.next()) log_ += static_cast<char>('a' + event->index());
    PH_CHECK(client_.phase() == Stage::closed);
    return log_ + "|" + output_;
  }

 private:
  void on(const ClientEvent& event) {
    if (std::holds_alternative<AuthChallenge>(event)) client_.respond("x");
    if (std::holds_alternative<DataReady>(event)) {
      if (client_.content(kContent)) (void)client_.finish_content();
    }
    if (client_.phase() == Stage::idle) next_step();
  }
  void next_step() {
    if ((choice_ & 4) != 0 && !authenticated_) {
      authenticated_ = true;
      return client_.authenticate("PLAIN", "x");
    }
    if ((choice_ & 8) != 0 && !tls_tried_) {
      tls_tried_ = true;
      return client_.start_tls();
    }
    if (++messages_ > 3) return client_.quit();
    (void)client_.send(envelope(choice_));
  }

  Client client_;
  uint8_t choice_;
  bool authenticated_ = false;
  bool tls_tried_ = false;
  int messages_ = 0;
  std::string log_;  // the kinds of events
  std::string output_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 200'000) return 0;
  const std::string_view said(reinterpret_cast<const char*>(data) + 2, size - 2);
  ClientOptions options{.host = "me"};
  options.protocol = (data[0] & 1) != 0 ? Protocol::lmtp : Protocol::smtp;
  options.content_way = (data[0] & 2) != 0 ? ContentWay::chunk_if_offered : ContentWay::data;
  const size_t cut = 1 + data[1] % 40U;
  PH_CHECK(Driver(options, data[0]).run(said, said.size() + 1) ==
           Driver(options, data[0]).run(said, cut));
  return 0;
}
