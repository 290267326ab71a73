// The machine-readable part of a report (RFC 3464 section 2) and its status codes (RFC 3463).
#pragma once

#include <string>
#include <string_view>

#include "service/queue/ports.h"

namespace ph::report {

std::string_view to_text(queue::ReportAction action);

// What the row waits or waited for: its own reason if it tells of a fault, else the newest of its
// trail that does (a row that expired, or that is just being tried, has a reason of another kind).
model::QueueReason obstacle_of(const model::QueueRow& row);

// Whether a delay is told because the time is over by which it was to be delivered (RFC 2852).
bool is_past_deliver_by(const queue::ReportedRow& told, Time now);

std::string status_of(const queue::ReportedRow& told, Time now);

struct StatusText {
  std::string_view host;
  Time now;
};
// The body of message/delivery-status: fields of the message, then those of every recipient.
std::string delivery_status(const StatusText& text, const queue::ReportWork& work);

}  // namespace ph::report
