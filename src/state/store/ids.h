// The names of what is in a mailbox. All are numbers that fit 48 bits and are never given out twice
// within their mailbox, so that protocols with 48-bit counters can carry them unchanged.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace ph::store {

// The account's number in the directory; the partition is "mailbox/<number>".
using MailboxId = StrongId<struct MailboxIdTag>;
using FolderId = StrongId<struct FolderIdTag>;
// Names one placement of a message for its whole life, moves included. A copy gets its own.
using MessageId = StrongId<struct MessageIdTag>;
// Shared by a message and its copies: IMAP EMAILID (RFC 8474), an email's content.
using EmailId = StrongId<struct EmailIdTag>;
using ThreadId = StrongId<struct ThreadIdTag>;
using SubmissionId = StrongId<struct SubmissionIdTag>;
// A point of the mailbox's one commit sequence: IMAP MODSEQ, JMAP state, change number. 0 is before
// everything.
using Seq = StrongId<struct SeqTag>;
// IMAP's number of a message in one folder, rising, never used again under one UIDVALIDITY.
using Uid = uint32_t;

inline constexpr uint64_t kNumberMax = (uint64_t{1} << 48) - 1;

struct Guid {
  std::array<uint8_t, 16> octets{};

  auto operator<=>(const Guid&) const = default;
  std::string_view view() const {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
  }
  std::string to_text() const;  // 32 hexadecimal digits
};

}  // namespace ph::store
