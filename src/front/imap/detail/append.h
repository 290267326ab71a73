// APPEND: messages come in pieces and are stored together when the command is complete.
//
// The memory of a message is taken from the gate before its first octet is asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "codec/imap/engine.h"
#include "front/imap/detail/desk.h"

namespace ph::imap_server {

class Appending {
 public:
  explicit Appending(Desk& desk) : desk_(desk), memory_(desk.gate) {}

  // nullopt: let it come. A refusal drops the whole command.
  std::optional<Answer> begin(imap::MessageBegin message);
  void add(std::string_view octets);
  rt::Task<Answer> end();
  void drop();

 private:
  void finish_message();

  Desk& desk_;
  wire::Gate::Memory memory_;
  store::FolderId folder_;
  uint64_t reserved_ = 0;
  std::vector<store::NewMessage> messages_;
  std::string octets_;
  std::optional<Sha256> hash_;  // of octets_; set while a message comes
};

}  // namespace ph::imap_server
