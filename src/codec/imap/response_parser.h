// Reads what an IMAP server says, as a tree: for our tests, and for jobs that read from other
// servers.
//
// feed() and next() work as in engine.h. One response is one tree; a FETCH section name such as
// BODY[HEADER.FIELDS (FROM)]<0> is one atom. Bounded in octets, literals, items and nesting; a
// response that passes a limit or breaks the grammar ends the parser for good: failed() says why,
// because after it the octets can no longer be told apart.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/imap/response_writer.h"

namespace ph::imap {

struct ResponseLimits {
  size_t line = 1'048'576;       // octets outside literals
  size_t literal = 67'108'864;   // of one literal
  size_t response = 83'886'080;  // of a response with its literals
  size_t nodes = 100'000;
  size_t depth = 100;
};

enum class NodeKind : uint8_t { atom, string, nil, list };

struct ResponseNode {
  NodeKind kind = NodeKind::atom;
  std::string text = {};                      // atom, string (quoted or literal)
  std::vector<ResponseNode> items = {};       // list
  bool is_atom(std::string_view word) const;  // in any case
};

struct Response {
  enum class Kind : uint8_t { untagged, tagged, continuation };
  Kind kind = Kind::untagged;
  std::string tag;                     // of a tagged one
  std::optional<Condition> condition;  // of a status response
  std::vector<ResponseNode> code;      // what stood in brackets: {UIDNEXT, 5}
  std::string text = {};               // of a status response or a continuation
  std::vector<ResponseNode> items;     // of any other: {2, EXISTS}, {LIST, (...), "/", INBOX}
};

class ResponseParser {
 public:
  explicit ResponseParser(const ResponseLimits& limits = {});
  ~ResponseParser();
  ResponseParser(ResponseParser&&) noexcept;
  ResponseParser& operator=(ResponseParser&&) noexcept;

  size_t feed(std::string_view bytes);
  std::optional<Response> next();
  // Why it ended; empty while it has not.
  const std::string& failed() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace ph::imap
