#include "admin/inspect_verbs.h"

#include <nlohmann/json.hpp>

namespace ph::admin {
namespace {

struct TaskFacts {
  std::string name;
  std::string waits_for;
  std::string place;
  Duration since;
  Duration until;
};

// On the loop itself: activities are touched on their home loop only.
rt::Task<std::vector<TaskFacts>> tasks_of(rt::Loop& loop) {
  std::vector<TaskFacts> out;
  for (const rt::Activity* activity : loop.activities()) {
    const rt::Wait& wait = activity->wait();
    TaskFacts facts;
    facts.name = activity->name();
    if (wait.what != nullptr) {
      facts.waits_for = wait.what;
      const std::string_view file = wait.where.file_name();
      facts.place =
          std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(wait.where.line());
      facts.since = loop.now() - wait.since;
      facts.until = wait.deadline - loop.now();
    } else {
      facts.waits_for = "nothing: it runs";
    }
    out.push_back(std::move(facts));
  }
  co_return out;
}

rt::Task<Result<Json>> tasks(InspectParts parts, Call call) {
  Json out = Json::array();
  for (rt::Loop* loop : parts.runtime.loops()) {
    PH_CO_TRY(
        const std::vector<TaskFacts> all,
        co_await rt::call_on(
            parts.loop, *loop, "task list", [loop] { return tasks_of(*loop); }, call.deadline));
    for (const TaskFacts& t : all) {
      out.push_back({{"loop", loop->index()},
                     {"name", t.name},
                     {"waits_for", t.waits_for},
                     {"since", to_text(t.since) + " ago"},
                     {"until", "in " + to_text(t.until)},
                     {"place", t.place}});
    }
  }
  co_return out;
}

rt::Task<Result<Json>> metrics(InspectParts parts, Call) {
  parts.refresh();
  co_return Json(parts.metrics.exposition());
}

}  // namespace

void add_inspect_verbs(Verbs& verbs, InspectParts parts) {
  verbs.add("tasks.list", [parts](Call call) { return tasks(parts, std::move(call)); });
  verbs.add("metrics.show", [parts](Call call) { return metrics(parts, std::move(call)); });
}

}  // namespace ph::admin
