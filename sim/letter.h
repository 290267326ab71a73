// A Letter: one message that a simulated client sends, and what became of the sending.
//
// Its marker names it everywhere: it is the local part of its Message-ID and stands in a header
// field of its own, so whoever finds the message anywhere knows which one it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rt/runtime.h"

namespace ph::sim {

struct Letter {
  std::string marker;  // letters, digits, '-' and '.'
  std::string sender;  // "" for the null reverse-path
  std::vector<std::string> recipients;
  uint64_t size_bytes = 300;  // of the body, about
  uint64_t own_fields = 0;    // header fields with names that no other message has
};

// unknown: the connection was lost before the answer to the final dot, so nobody can tell.
enum class Fate : uint8_t { sending, accepted, refused, unknown };
std::string_view to_text(Fate fate);

struct Injection {
  Fate fate = Fate::sending;
  std::vector<std::string> recipients;  // that got 250 to RCPT; the message is accepted for these
  std::string words;                    // the last thing the server said, or what went wrong
};

std::string message_id_of(std::string_view marker);
std::string text_of(const Letter& letter, Time now);

// The marker in the header of a whole message; "" if it has none (a delivery report, say).
std::string marker_of(std::string_view message);
// Whether the message is a report about the letter and, unless "", about that recipient of it.
bool is_report_about(std::string_view message, std::string_view marker, std::string_view recipient);

// One session with one transaction, over port 25. Always ends, within minutes.
rt::Task<Injection> inject(rt::Runtime& runtime, rt::Loop& loop, rt::Endpoint to, Letter letter);

}  // namespace ph::sim
