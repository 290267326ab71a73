// The queue's table as the server shows it, and what must hold of it at any time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sim/world.h"

namespace ph::sim {

using Find = std::function<void(std::string)>;

std::string describe(const model::QueueRow& row);

// The rows, with or without the ended ones ("runs"). nullopt: the server is down or was killed
// meanwhile.
enum class Rows : uint8_t { all, open };
std::optional<std::vector<queue::ListedRow>> read_table(World& world, Rows which, const Find& find);

// Reads it and checks: every accepted letter has a row for each of its recipients, every row that
// has not ended says why it waits and what happens next, and `why` says so too for some ("runs").
std::optional<std::vector<queue::ListedRow>> check_table(World& world, const Find& find);
// The auditor finds nothing, now ("runs").
void check_sweep(World& world, const Find& find);

}  // namespace ph::sim
