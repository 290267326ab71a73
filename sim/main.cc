// posthorn-sim: the property test over many seeds.
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "sim/property.h"
#include "sim/stopwatch.h"

namespace ph::sim {
namespace {

constexpr const char* kUsage =
    "usage: posthorn-sim --seeds A-B | --seed N [--trace] | --minutes M   [--break WHAT]\n"
    "  --seeds A-B   runs these seeds\n"
    "  --seed N      runs one seed twice; --trace prints all that happens in it\n"
    "  --minutes M   runs seeds from 1 on for so long\n"
    "  --break WHAT  breaks something on purpose: lose-at-hop, skip-index, lose-row\n";

struct Request {
  uint64_t first = 1;
  uint64_t last = 0;
  uint64_t minutes = 0;
  bool trace = false;
  Breakage breakage = Breakage::none;
  std::string breakage_name;
};

std::optional<Request> parse(int argc, char** argv) {
  Request out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--trace") {
      out.trace = true;
      continue;
    }
    if (i + 1 == argc) return std::nullopt;
    const std::string_view value = argv[++i];
    if (name == "--break") {
      const auto breakage = breakage_named(value);
      if (!breakage) return std::nullopt;
      out.breakage = *breakage;
      out.breakage_name = value;
      continue;
    }
    const auto parts = split(value, '-');
    const auto low = parse_u64(parts.front());
    const auto high = parse_u64(parts.back());
    if (!low || !high || parts.size() > 2) return std::nullopt;
    if (name == "--seeds" || name == "--seed") {
      out.first = *low;
      out.last = *high;
    } else if (name == "--minutes") {
      out.minutes = *low;
      out.last = UINT64_MAX;
    } else {
      return std::nullopt;
    }
  }
  if (out.last < out.first) return std::nullopt;
  return out;
}

struct Totals {
  uint64_t seeds = 0;
  uint64_t failed = 0;
  uint64_t letters = 0;
  uint64_t accepted = 0;
  uint64_t steps = 0;
  int64_t virtual_s = 0;
};

// Every so many seeds one is run twice, to see that it is the same run.
constexpr uint64_t kTwiceEvery = 250;

void run_one(const Request& request, uint64_t seed, Totals& totals) {
  PropertyOptions options{seed, request.breakage, nullptr};
  if (request.trace) {
    options.say = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
  }
  PropertyResult result = run_property(options);
  if (seed == request.first || seed % kTwiceEvery == 0) {
    options.say = nullptr;
    const PropertyResult again = run_property(options);
    if (again.trace_hash != result.trace_hash) {
      result.findings.emplace_back("two runs of this seed differ");
    }
  }
  ++totals.seeds;
  totals.letters += result.letters;
  totals.accepted += result.accepted;
  totals.steps += result.steps;
  totals.virtual_s += result.virtual_time.s();
  if (result.findings.empty()) return;
  ++totals.failed;
  std::printf("seed %llu failed, trace hash %016llx\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(result.trace_hash));
  for (const std::string& finding : result.findings) std::printf("  %s\n", finding.c_str());
  const std::string breaking =
      request.breakage_name.empty() ? "" : " --break " + request.breakage_name;
  std::printf("  replay: posthorn-sim --seed %llu --trace%s\n",
              static_cast<unsigned long long>(seed), breaking.c_str());
  std::fflush(stdout);
}

int run(const Request& request) {
  const Stopwatch watch;
  Totals totals;
  for (uint64_t seed = request.first; seed <= request.last; ++seed) {
    run_one(request, seed, totals);
    if (request.minutes > 0 &&
        watch.elapsed() >= Duration::minutes(static_cast<int64_t>(request.minutes))) {
      break;
    }
    if (seed == UINT64_MAX) break;
  }
  std::printf(
      "%llu seeds, %llu failed: %llu letters sent, %llu accepted, %llu steps, %lld h of virtual "
      "time in %lld ms\n",
      static_cast<unsigned long long>(totals.seeds), static_cast<unsigned long long>(totals.failed),
      static_cast<unsigned long long>(totals.letters),
      static_cast<unsigned long long>(totals.accepted),
      static_cast<unsigned long long>(totals.steps),
      static_cast<long long>(totals.virtual_s / 3600),
      static_cast<long long>(watch.elapsed().ms()));
  return totals.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ph::sim

int main(int argc, char** argv) {
  const auto request = ph::sim::parse(argc, argv);
  if (!request) {
    std::fputs(ph::sim::kUsage, stderr);
    return 2;
  }
  return ph::sim::run(*request);
}
