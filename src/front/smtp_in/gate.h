// The gate of the SMTP server (see service/wire/gate.h): one for all loops.
#pragma once

#include "obs/metrics.h"
#include "service/wire/gate.h"

namespace ph::smtp_in {

class Gate : public wire::Gate {
 public:
  explicit Gate(obs::Metrics& metrics)
      : wire::Gate({metrics.gauge("posthorn_smtp_connections"),
                    metrics.gauge("posthorn_smtp_receiving_bytes")}) {}
};

}  // namespace ph::smtp_in
