// Delivery reports (RFC 3461, 3462, 3464): what a sender is told of its message's recipients, and
// what the postmaster is told of a report that could not be delivered itself.
//
// A multipart/report of three parts: words for a person with the history of the attempts, the
// machine-readable delivery-status, and the message itself (RET, failures only, and only when it is
// small) or its header. The null reverse-path is the queue's; here is only the message. What cannot
// be read of the original is left out, and the report is made all the same.
#pragma once

#include <functional>
#include <string>

#include "rt/runtime.h"
#include "service/queue/ports.h"

namespace ph::report {

struct Parts {
  rt::Runtime& runtime;
  std::string host;  // the reporting MTA's name
  // The postmaster's address at this moment; absent or "": postmaster@ the host's name. Any loop.
  std::function<std::string()> postmaster = {};
};

class Reporter final : public queue::Reporter {
 public:
  explicit Reporter(Parts parts) : parts_(std::move(parts)) {}
  rt::Task<queue::Report> write(rt::Loop& loop, queue::ReportWork work,
                                rt::Deadline deadline) override;

 private:
  std::string postmaster() const;
  Parts parts_;
};

// The pieces, for tests. `original` is what could be read of the message.
struct ReportText {
  std::string host;
  std::string id;        // of the report: its Message-ID's local part
  std::string boundary;  // random octets
  Time now;
  std::string postmaster;
};
std::string delivery_report(const ReportText& text, const queue::ReportWork& work,
                            std::string_view original);

}  // namespace ph::report
