#include <gtest/gtest.h>

#include "obs/detail/exposition_problem.h"
#include "obs/log.h"
#include "obs/metrics.h"

namespace ph::obs {
namespace {

TEST(Log, AValueFromOutsideCannotForgeALine) {
  EXPECT_EQ(format_event(Level::info, "smtp.mail", {{"from", "a\r\nerror x=1"}, {"n", 3}}),
            "info smtp.mail from=\"a??error x=1\" n=3");
  EXPECT_EQ(format_event(Level::error, "x", {{"q", "say \"hi\""}, {"e", ""}}),
            "error x q=\"say \\\"hi\\\"\" e=\"\"");
}

TEST(Metrics, TheNumberOfSeriesIsCapped) {
  Metrics metrics(3);
  for (int i = 0; i < 100; ++i) metrics.counter("c", "x=\"" + std::to_string(i) + "\"").add();
  EXPECT_EQ(metrics.value("posthorn_series_over_cap"), 97);
  EXPECT_EQ(metrics.value("c", "x=\"1\""), 1);
  metrics.gauge("g").set(-5);
  metrics.histogram("h_seconds").add(Duration::seconds(1));
  EXPECT_EQ(metrics.value("posthorn_series_over_cap_gauge"), -5);
  EXPECT_EQ(metrics.value("posthorn_series_over_cap_seconds"), 1);
  EXPECT_EQ(exposition_problem(metrics.exposition()), "");
}

TEST(Metrics, TheExpositionCarriesHelpAndTypeOfEachFamily) {
  Metrics metrics;
  metrics.describe("a", "How many.\nOr how \\ few.");
  metrics.counter("a").add(2);
  metrics.gauge("a_b").set(-1);
  metrics.counter("a", R"(x="1")").add();
  metrics.describe("never", "Nobody asked for it.");
  EXPECT_EQ(metrics.exposition(),
            "# HELP a How many.\\nOr how \\\\ few.\n"
            "# TYPE a counter\n"
            "a 2\n"
            "a{x=\"1\"} 1\n"
            "# TYPE a_b gauge\n"
            "a_b -1\n");
  EXPECT_EQ(exposition_problem(metrics.exposition()), "");
}

TEST(Metrics, ALabelFromOutsideCannotForgeASeries) {
  Metrics metrics;
  metrics.counter("c", labels({{"hop", "a\"} 7\nc{hop=\"\\"}, {"n", ""}})).add();
  EXPECT_EQ(metrics.exposition(),
            "# TYPE c counter\nc{hop=\"a\\\"} 7\\nc{hop=\\\"\\\\\",n=\"\"} 1\n");
  EXPECT_EQ(exposition_problem(metrics.exposition()), "");
}

TEST(Metrics, AHistogramIsCumulativeAndInSeconds) {
  Metrics metrics;
  DurationHistogram& histogram = metrics.histogram("took_seconds", R"(hop="smtp")");
  histogram.add(Duration::microseconds(300));
  histogram.add(Duration::milliseconds(1500));
  histogram.add(Duration::hours(1));
  const std::string text = metrics.exposition();
  ExpositionReader reader;
  EXPECT_EQ(reader.problem_with(text), "");
  EXPECT_EQ(reader.value(R"(took_seconds_bucket{hop="smtp",le="0.00025"})"), 0);
  EXPECT_EQ(reader.value(R"(took_seconds_bucket{hop="smtp",le="0.0005"})"), 1);
  EXPECT_EQ(reader.value(R"(took_seconds_bucket{hop="smtp",le="1"})"), 1);
  EXPECT_EQ(reader.value(R"(took_seconds_bucket{hop="smtp",le="2.5"})"), 2);
  EXPECT_EQ(reader.value(R"(took_seconds_bucket{hop="smtp",le="300"})"), 2);
  EXPECT_EQ(reader.value(R"(took_seconds_bucket{hop="smtp",le="+Inf"})"), 3);
  EXPECT_EQ(reader.value(R"(took_seconds_count{hop="smtp"})"), 3);
  EXPECT_DOUBLE_EQ(reader.value(R"(took_seconds_sum{hop="smtp"})"), 3601.5003);
}

// The reader that the tests trust must itself see what is wrong.
TEST(ExpositionReader, FindsWhatIsWrong) {
  EXPECT_EQ(exposition_problem("# TYPE a counter\na 1\n"), "");
  for (const char* bad :
       {"",
        "a 1\n",
        "# TYPE a counter\na 1",
        "# TYPE a counter\na\n",
        "# TYPE a count\na 1\n",
        "# TYPE a counter\na 1\na 1\n",
        "# TYPE a counter\nb 1\n",
        "# TYPE a counter\na -1\n",
        "# TYPE a counter\na{x=1} 1\n",
        "# TYPE a counter\na{x=\"1} 1\n",
        "# TYPE a counter\na{x=\"\\q\"} 1\n",
        "# TYPE a counter\na{x=\"1\"}  1\n",
        "# TYPE a counter\n\na 1\n",
        "# TYPE 1a counter\n1a 1\n",
        "# TYPE a counter\na 1\n# TYPE b gauge\nb 1\n# TYPE a counter\na{x=\"1\"} 1\n",
        "# HELP a\n# TYPE a counter\na 1\n",
        "# HELP a x\na 1\n",
        "# hello\n",
        "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count "
        "1\n"}) {
    EXPECT_NE(exposition_problem(bad), "") << bad;
  }
}

}  // namespace
}  // namespace ph::obs
