#include "admin/standings.h"

#include <nlohmann/json.hpp>

namespace ph::admin {
namespace {

std::string_view level_text(const pressure::Standing& standing) {
  return standing.level.has_value() ? pressure::to_text(*standing.level) : "unknown";
}

// The newest reading, and what the last look failed at.
std::string why_of(const pressure::Standing& standing) {
  const bool both = !standing.words.empty() && !standing.problem.empty();
  const std::string why = standing.words + (both ? "; " : "") + standing.problem;
  return why.empty() ? "there is no reading" : why;
}

}  // namespace

nlohmann::json standing_json(const pressure::Standing& standing) {
  return {{"resource", pressure::to_text(standing.resource)},
          {"level", level_text(standing)},
          {"since", to_iso8601(standing.since)},
          {"figure", standing.words},
          {"problem", standing.problem}};
}

std::string complaint_of(const pressure::Standing& standing) {
  if (standing.level == pressure::Level::low) return {};
  std::string follows = "nothing is refused because of it";
  if (standing.level == pressure::Level::medium) follows = "strangers' mail is refused for now";
  if (standing.level == pressure::Level::high) follows = "all new mail is refused for now";
  return "back pressure of the " + std::string(pressure::to_text(standing.resource)) + " is " +
         std::string(level_text(standing)) + " since " + to_iso8601(standing.since) + ", so " +
         follows + ": " + why_of(standing);
}

}  // namespace ph::admin
