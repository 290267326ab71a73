// Any octets to the server engine, whole and cut at places that the input chooses, with options
// that it chooses: the events and the output must be the same, and every answer one line.
#include <cstddef>
#include <cstdint>

#include "codec/imap/detail/transcript.h"

namespace {

using ph::imap::EngineOptions;
using ph::imap::SessionState;
using ph::imap::detail::Transcript;
using ph::imap::detail::TranscriptDriver;

EngineOptions options_for(uint8_t choice) {
  EngineOptions o;
  if ((choice & 1) != 0) {
    o.line_limit = o.line_limit_before_login = 200;
    o.literal_limit = o.literal_limit_before_login = 50;
    o.command_limit = o.command_limit_before_login = 300;
    o.message_limit = 100;
    o.discard_limit = 400;
    o.chunk_size = 16;
  }
  if ((choice & 2) != 0) o.multi_append = ph::imap::MultiAppend::accepted;
  if ((choice & 4) != 0) o.literals = ph::imap::LiteralSupport::minus;
  return o;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint8_t choice = data[0];
  const size_t stride = data[1] % 31 + 1u;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto state = static_cast<SessionState>((choice >> 3) % 3);
  const auto run = [&](const std::function<size_t(size_t)>& cut) {
    TranscriptDriver driver(options_for(choice), state);
    if ((choice & 128) != 0) driver.engine().use_utf8_names();
    return driver.run(input, cut);
  };
  const Transcript whole = run([](size_t left) { return left; });
  size_t n = 0;
  const Transcript pieces = run([&](size_t) { return n++ % stride + 1; });
  PH_CHECK(whole == pieces);
  PH_CHECK(whole.output.empty() || whole.output.ends_with("\r\n"));
  return 0;
}
