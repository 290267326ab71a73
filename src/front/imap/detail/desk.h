// The desk: what the commands of a logged-in session work with. All of it lives on the mailbox's
// home loop and as long as the session.
#pragma once

#include <memory>
#include <string>

#include "front/imap/detail/selected.h"
#include "front/imap/detail/voice.h"
#include "front/imap/server.h"

namespace ph::imap_server {

inline constexpr Duration kReadMax = Duration::seconds(30);
inline constexpr Duration kChangeMax = Duration::minutes(2);
inline constexpr Duration kSearchMax = Duration::minutes(10);

struct Desk {
  const Parts& parts;
  const config::Source& settings;
  wire::Gate& gate;
  rt::Loop& loop;
  Voice& voice;
  std::string user = {};
  store::MailboxRef mailbox = {};
  std::unique_ptr<Selected> selected = {};  // dropped before `mailbox`
  Condstore condstore = Condstore::off;

  Report report(store::Vanished vanished) const { return {vanished, condstore}; }
  // A CONDSTORE enabling command was given (RFC 7162 section 3.1).
  void enable_condstore();
  // The answer for what the store said, with a line in the log where people should look.
  FixedAnswer refused(const Error& error, std::string_view what) const;
};

}  // namespace ph::imap_server
