// Limits of the IMAP engine. Each has a stated behaviour when it is passed (engine.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ph::imap {

enum class LiteralSupport : uint8_t {
  synchronising,  // "{5+}" is an error
  minus,          // LITERAL- (RFC 7888): non-synchronising up to 4096 octets
  plus,           // LITERAL+: any size
};

enum class MultiAppend : uint8_t { refused, accepted };

struct EngineOptions {
  size_t line_limit = 65'536;      // octets of a command outside its literals
  size_t literal_limit = 65'536;   // octets of one literal that is not a message
  size_t command_limit = 524'288;  // octets of a command with its literals, messages apart
  // The same before login, where anyone may speak.
  size_t line_limit_before_login = 16'384;
  size_t literal_limit_before_login = 8'192;
  size_t command_limit_before_login = 32'768;

  uint64_t message_limit = 52'428'800;   // octets of one appended message (APPENDLIMIT)
  uint64_t discard_limit = 268'435'456;  // non-synchronising octets read only to be thrown away
  size_t chunk_size = 65'536;            // octets in one MessageData event
  size_t tag_limit = 256;
  LiteralSupport literals = LiteralSupport::plus;
  MultiAppend multi_append = MultiAppend::refused;
};

}  // namespace ph::imap
