// What the metrics page shows besides what the rooms count themselves.
#pragma once

#include "kv/store.h"
#include "obs/metrics.h"

namespace ph::app {

// A sentence for each metric that a room below counts without one.
void describe_metrics(obs::Metrics& metrics);
// The store's figures, which are only looked up when somebody asks.
void refresh_figures(obs::Metrics& metrics, const kv::Store& store);

}  // namespace ph::app
