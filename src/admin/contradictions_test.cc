#include "admin/contradictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/smtp_in/options.h"
#include "front/smtp_out/carrier.h"
#include "service/queue/options.h"

namespace ph::admin {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

struct Contradiction {
  std::vector<std::pair<const char*, const char*>> set;
  const char* one;
  const char* other;
};

const Contradiction kEach[] = {
    {{{"queue.delay-notice", "2 d"}}, "queue.delay-notice", "queue.expiry"},
    {{{"queue.expiry", "1 min"}}, "queue.lease", "queue.expiry"},
    {{{"queue.schedule", "2 d"}}, "queue.schedule", "queue.expiry"},
    {{{"queue.poison-review", "3 d"}}, "queue.poison-review", "queue.expiry"},
    {{{"queue.hold", "3 d"}}, "queue.hold", "queue.expiry"},
    {{{"queue.expiry", "1 min"}, {"queue.sweep", "1 h"}}, "queue.sweep", "queue.expiry"},
    {{{"queue.delay-notice-low", "3 d"}}, "queue.delay-notice-low", "queue.expiry-low"},
    {{{"queue.expiry-high", "1 h"}}, "queue.delay-notice-high", "queue.expiry-high"},
    {{{"queue.schedule-low", "2 d"}}, "queue.schedule-low", "queue.expiry-low"},
    {{{"queue.connections", "10"}}, "queue.lane-connections", "queue.connections"},
    {{{"queue.lane-connections", "4"}}, "queue.lane-start", "queue.lane-connections"},
    {{{"queue.lane-idle", "1 min"}, {"queue.lease", "10 s"}}, "queue.lane-idle", "queue.lease"},
    {{{"queue.lane-probe", "1 h"}, {"queue.expiry", "10 min"}}, "queue.lane-probe", "queue.expiry"},
    {{{"queue.lane-limits", "smtp:example.net connections=5000"}},
     "queue.lane-limits",
     "queue.connections"},
    {{{"queue.lease", "30 s"}}, "smtp_out.connect_timeout", "queue.lease"},
    {{{"queue.lease", "5 min"}}, "smtp_out.command_timeout", "queue.lease"},
    {{{"queue.lease", "10 min"}}, "smtp_out.final_timeout", "queue.lease"},
    {{{"smtp.memory_max", "16 MiB"}}, "smtp.message_size_max", "smtp.memory_max"},
    {{{"smtp.connections_max", "100"}}, "smtp.connections_per_ip_max", "smtp.connections_max"},
    {{{"smtp.session_max", "1 min"}}, "smtp.command_timeout", "smtp.session_max"},
    {{{"smtp.session_max", "1 min"}}, "smtp.data_timeout", "smtp.session_max"},
};

TEST(Contradictions, TheDefaultsHaveNone) {
  EXPECT_THAT(contradictions_of(config::Values()), ::testing::IsEmpty());
}

TEST(Contradictions, EachNamesBothSettings) {
  config::Schema schema;
  queue::add_settings(schema);
  smtp_in::add_settings(schema);
  smtp_out::add_settings(schema);
  for (const Contradiction& c : kEach) {
    config::Values values;
    for (const auto& [name, text] : c.set) {
      auto next = values.with(schema, name, text);
      ASSERT_TRUE(next.has_value()) << name << ": " << next.error().to_text();
      values = std::move(*next);
    }
    EXPECT_THAT(contradictions_of(values),
                Contains(::testing::AllOf(HasSubstr(c.one), HasSubstr(c.other))))
        << c.one << " and " << c.other;
  }
}

}  // namespace
}  // namespace ph::admin
