// Any octets to the engine, whole and cut at places that the input chooses: the same must come out,
// and nothing of a request may get into the head of an answer.
#include <cstddef>
#include <cstdint>

#include "codec/http/detail/transcript.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  ph::http::ServerOptions options;
  if ((data[0] & 1) != 0) options = {.head_bytes_max = 60, .fields_max = 3};
  const size_t stride = data[1] % 31 + 1u;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto run = [&](const std::function<size_t(size_t)>& cut) {
    return ph::http::detail::run(ph::http::Server(options), input, cut);
  };
  const ph::http::detail::Transcript whole = run([](size_t left) { return left; });
  size_t n = 0;
  const ph::http::detail::Transcript pieces =
      run([&](size_t left) { return std::min(left, n++ % stride + 1); });
  PH_CHECK(whole == pieces);
  PH_CHECK(whole.output.empty() || whole.output.starts_with("HTTP/1.1 "));
  return 0;
}
