// What the answers about one message are cut from: as much of it as the items of a FETCH need.
//
// A message of up to kWholeMax octets is read at once if anything of its content is asked for. Of a
// larger one the header is read alone, its text and the whole are streamed, and only parts of it
// (BODY[2.1]) need all of it in memory: that memory is counted by the gate.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "codec/imap/command.h"
#include "codec/mime/message.h"
#include "front/imap/detail/desk.h"

namespace ph::imap_server {

inline constexpr uint64_t kWholeMax = 128 * 1024;

// What a FETCH asks of each message.
struct Needs {
  bool summary = false;  // ENVELOPE, BODY, BODYSTRUCTURE
  bool header = false;   // where the header ends, and its octets
  bool whole = false;    // all octets, in order
  bool parts = false;    // the tree of parts
  static Needs of(const imap::cmd::Fetch& command);
};

// The octets of one item.
struct Piece {
  enum class Kind : uint8_t {
    nil,     // the message has no such section
    octets,  // here: a view of the material, or `assembled`
    range,   // to be read from the store in slices
    not_decodable,
  } kind = Kind::nil;
  std::string_view view = {};
  std::string assembled = {};  // what `view` shows, when it is not part of the message
  uint64_t offset = 0;
  uint64_t length = 0;

  std::string_view octets() const { return assembled.empty() ? view : assembled; }
};

class Material {
 public:
  Material(Desk& desk, store::MessageInfo info)
      : desk_(desk), info_(std::move(info)), memory_(desk.gate) {}

  const store::MessageInfo& info() const { return info_; }
  const store::Summary& summary() const { return *summary_; }

  // Reads what is needed. kNoMessage, kDamaged and transient errors are the store's; kNoMemory is a
  // refusal by the gate.
  rt::Task<Status> load(Needs needs);
  Piece piece(const imap::FetchItem& item) const;

 private:
  rt::Task<Status> load_whole();
  rt::Task<Status> load_header();
  Piece find(const imap::FetchItem& item) const;
  Piece top_section(const imap::Section& section) const;
  Piece part_section(const imap::Section& section) const;
  Piece decoded_part(const imap::Section& section) const;
  Piece from(uint64_t offset) const;

  Desk& desk_;
  store::MessageInfo info_;
  wire::Gate::Memory memory_;
  std::shared_ptr<const store::Summary> summary_;  // shared with the store's cache
  kv::BlobBytes head_;                             // the first octets, or all of them
  uint64_t header_size_ = 0;
  std::optional<mime::Message> parsed_;  // of head_
};

inline constexpr ErrorKind kNoMemory{"imap", "no_memory", Disposition::transient};

}  // namespace ph::imap_server
