// ReplyRecord: one answer of a peer (or of ourselves in its place), as a row keeps it: what `why`
// shows and what a delivery report quotes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ph::model {

inline constexpr size_t kReplyTextMax = 512;
inline constexpr size_t kReplyHostMax = 255;
inline constexpr size_t kRepliesKept = 16;  // the newest; a row's history is bounded

// Where in the way to the next hop something happened.
enum class Stage : uint8_t {
  queue,      // before any hop was asked
  route,      // finding the next hop: DNS, directory
  connect,    // until the connection stands
  greeting,   // the peer's greeting and HELO
  tls,        // STARTTLS and handshake
  auth,       // logging in at a smart host
  sender,     // MAIL
  recipient,  // RCPT
  data,       // DATA and the content
  final,      // behind the final dot: the message may have been taken
  mailbox,    // delivery into a local mailbox
};

std::string_view to_text(Stage stage);

// An RFC 3463 code; kind 0: none.
struct StatusCode {
  uint8_t kind = 0;
  uint16_t subject = 0;
  uint16_t detail = 0;

  constexpr bool is_set() const { return kind != 0; }
  constexpr bool operator==(const StatusCode&) const = default;
};

std::string to_text(StatusCode code);  // "5.1.1", "" if not set

struct ReplyRecord {
  Time when{};
  std::string host{};  // the peer, as a person would name it: "mx1.example.net (192.0.2.1)"
  Stage stage = Stage::queue;
  uint16_t code = 0;  // SMTP reply code; 0 if the peer did not speak
  StatusCode enhanced{};
  std::string text{};  // the peer's words, or ours if it did not speak; printable

  bool operator==(const ReplyRecord&) const = default;
};

// The same within the bounds: texts cut and made printable.
ReplyRecord bounded(ReplyRecord reply);

// For people, on one line: "550 5.1.1 No such user here".
std::string to_text(const ReplyRecord& reply);

}  // namespace ph::model
