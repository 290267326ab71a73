// Any octets to the response parser, whole and in pieces: the same number of responses, and the
// same end.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "codec/imap/response_parser.h"

namespace {

struct Count {
  size_t responses = 0;
  size_t octets = 0;  // of their texts
  std::string failed;
  bool operator==(const Count&) const = default;
};

size_t octets_of(const std::vector<ph::imap::ResponseNode>& items) {
  size_t sum = 0;
  for (const auto& node : items) sum += node.text.size() + octets_of(node.items) + 1;
  return sum;
}

Count run(std::string_view input, size_t piece) {
  ph::imap::ResponseParser parser({.line = 2'000, .literal = 500, .response = 4'000, .nodes = 200});
  Count out;
  while (!input.empty()) {
    const size_t consumed = parser.feed(input.substr(0, piece));
    input.remove_prefix(consumed);
    const auto response = parser.next();
    if (response) {
      ++out.responses;
      out.octets += response->text.size() + octets_of(response->items) + octets_of(response->code);
    } else if (consumed == 0) {
      break;
    }
  }
  out.failed = parser.failed();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  PH_CHECK(run(input, input.size()) == run(input, data[0] % 17 + 1u));
  return 0;
}
