// The way out of a session: what waits in the engine's output goes to the client in slices, each
// with the time that a client may take for it.
//
// A call that answers false means that the connection is gone: the caller returns at once, whatever
// it returns. At most kOutputSlice and one item of a response wait in memory.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/setting.h"
#include "front/imap/detail/connection.h"
#include "front/imap/errors.h"

namespace ph::imap_server {

inline constexpr size_t kOutputSlice = 64 * 1024;

class Voice {
 public:
  Voice(Connection& connection, const config::Source& settings)
      : connection_(connection), settings_(settings) {}

  std::string& out() { return connection_.engine.output(); }
  imap::ResponseWriter writer() { return imap::ResponseWriter(out()); }
  void status(std::string_view tag, const Answer& answer);
  void untagged(const FixedAnswer& answer) { status("*", answer); }

  rt::Task<bool> flush();
  // Flushes when a slice has gathered, and lets others run.
  rt::Task<bool> make_room();
  // `octets` behind what waits; they must live until answered.
  rt::Task<bool> send(std::string_view octets);

  // Ends the connection without a word.
  void break_off(Error why);
  const std::optional<Error>& broken() const { return broken_; }

 private:
  Connection& connection_;
  const config::Source& settings_;
  std::optional<Error> broken_;
};

}  // namespace ph::imap_server
