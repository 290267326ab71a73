#include <gtest/gtest.h>

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
  EXPECT_EQ(metrics.exposition(),
            "c{x=\"0\"} 1\nc{x=\"1\"} 1\nc{x=\"2\"} 1\nposthorn_series_over_cap 97\n");
}

}  // namespace
}  // namespace ph::obs
