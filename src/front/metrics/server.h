// The metrics page: GET and HEAD /metrics on loopback, one request at a time on each connection.
//
// Everything is bounded: connections (further ones are closed at once), the request's head, the
// time for a head, for an answer to be taken, and between two requests. The answer is made anew for
// each request.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/http/message.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt/runtime.h"
#include "service/wire/wire.h"

namespace ph::metrics_server {

inline constexpr size_t kConnectionsMax = 16;
inline constexpr Duration kHeadMax = Duration::seconds(10);
inline constexpr Duration kAnswerMax = Duration::seconds(30);
inline constexpr Duration kIdleMax = Duration::minutes(2);

inline constexpr ErrorKind kNotLoopback{"metrics", "not_loopback", Disposition::permanent};

struct Parts {
  rt::Runtime& runtime;
  rt::Loop& loop;
  obs::Metrics& metrics;
  obs::Log& log;
  // Called before each answer: brings up to date what is only looked up when asked for.
  std::function<void()> refresh;
};

class Server {
 public:
  explicit Server(Parts parts);
  ~Server();  // ends its connections where they are
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // From now on until destroyed. What cannot be listened at now is logged and tried again. Only
  // kNotLoopback is an error: nobody logs in here.
  Status listen(const rt::Endpoint& at);
  // Those that are listened at now.
  std::vector<rt::Endpoint> endpoints() const;

 private:
  rt::Task<void> keep_listening(rt::Endpoint at);
  rt::Task<void> accept_all(rt::Listener& listener);
  rt::Task<void> serve(std::unique_ptr<rt::Stream> stream);
  http::Response respond(const http::Request& request);

  Parts parts_;
  std::set<const rt::Listener*> listeners_;
  obs::Counter& requests_;
  obs::Counter& refused_;
  obs::Counter& turned_away_;
  rt::Scope listening_;
  rt::Scope connections_;
};

}  // namespace ph::metrics_server
