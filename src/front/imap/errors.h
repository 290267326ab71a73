// Every text that this front end shows outside, besides those of codec/imap.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/imap/response_writer.h"

namespace ph::imap_server {

using imap::Condition;

struct FixedAnswer {
  Condition condition = Condition::ok;
  std::string_view code;  // RFC 5530, RFC 3501 section 7.1; "" for none
  std::string_view text;
};

// What the tagged line of a command says.
struct Answer {
  Condition condition = Condition::ok;
  std::string code;
  std::string_view text;  // fixed texts only: nothing from outside

  Answer() = default;
  Answer(const FixedAnswer& fixed)
      : condition(fixed.condition), code(fixed.code), text(fixed.text) {}
  Answer(const FixedAnswer& fixed, std::string with_code)
      : condition(fixed.condition), code(std::move(with_code)), text(fixed.text) {}
};

// For what the store (or kv below it) answers instead of "done".
FixedAnswer answer_for(const Error& error);

namespace answers {

inline constexpr FixedAnswer kDone{Condition::ok, "", "Completed"};
inline constexpr FixedAnswer kReady{Condition::ok, "", "Posthorn ready"};
inline constexpr FixedAnswer kLoggedIn{Condition::ok, "", "Logged in"};
inline constexpr FixedAnswer kBeginTls{Condition::ok, "", "Begin TLS now"};
inline constexpr FixedAnswer kReadWrite{Condition::ok, "READ-WRITE", "Selected"};
inline constexpr FixedAnswer kReadOnly{Condition::ok, "READ-ONLY", "Selected, read-only"};
inline constexpr FixedAnswer kModified{Condition::ok, "", "Some messages were changed meanwhile"};

inline constexpr FixedAnswer kBye{Condition::bye, "", "Logging out"};
inline constexpr FixedAnswer kShuttingDown{Condition::bye, "UNAVAILABLE",
                                           "Shutting down, come again soon"};
inline constexpr FixedAnswer kIdleTooLong{Condition::bye, "", "Closed after too long a silence"};
inline constexpr FixedAnswer kLoginTooLong{Condition::bye, "", "Login took too long"};
inline constexpr FixedAnswer kTooManyConnections{Condition::bye, "LIMIT",
                                                 "Too many connections, try again later"};
inline constexpr FixedAnswer kTooManyFailures{Condition::bye, "", "Too many failed logins"};
inline constexpr FixedAnswer kTooManyBadCommands{Condition::bye, "CLIENTBUG",
                                                 "Too many bad commands"};

inline constexpr FixedAnswer kNoTls{Condition::no, "UNAVAILABLE", "TLS is not available"};
inline constexpr FixedAnswer kTlsAlready{Condition::bad, "", "TLS is active already"};
inline constexpr FixedAnswer kTlsFirst{Condition::no, "PRIVACYREQUIRED", "Start TLS first"};
inline constexpr FixedAnswer kUnknownMechanism{Condition::no, "CANNOT",
                                               "Unknown authentication mechanism"};
inline constexpr FixedAnswer kLoginFailed{Condition::no, "AUTHENTICATIONFAILED", "Login failed"};
inline constexpr FixedAnswer kLoginBusy{Condition::no, "UNAVAILABLE",
                                        "Logins cannot be checked now, try again later"};
inline constexpr FixedAnswer kLoginCancelled{Condition::bad, "", "Authentication was cancelled"};
inline constexpr FixedAnswer kMailboxUnavailable{
    Condition::no, "UNAVAILABLE", "The mailbox cannot be opened now, try again later"};

inline constexpr FixedAnswer kNoFolder{Condition::no, "NONEXISTENT", "No such mailbox"};
inline constexpr FixedAnswer kTryCreate{Condition::no, "TRYCREATE", "No such mailbox"};
inline constexpr FixedAnswer kNotSelectable{Condition::no, "NONEXISTENT",
                                            "This mailbox cannot be selected"};
inline constexpr FixedAnswer kFolderGone{Condition::no, "NONEXISTENT",
                                         "The selected mailbox was deleted"};
inline constexpr FixedAnswer kFolderExists{Condition::no, "ALREADYEXISTS",
                                           "A mailbox of that name exists"};
inline constexpr FixedAnswer kBadName{Condition::no, "CANNOT", "No mailbox can have that name"};
inline constexpr FixedAnswer kRoleFolder{Condition::no, "CANNOT",
                                         "This mailbox is needed and stays as it is"};
inline constexpr FixedAnswer kUseTaken{Condition::no, "USEATTR",
                                       "That use is unknown here, or another mailbox has it"};
inline constexpr FixedAnswer kHasChildren{Condition::no, "HASCHILDREN",
                                          "There are mailboxes below this one"};
inline constexpr FixedAnswer kWriteProtected{Condition::no, "READ-ONLY",
                                             "This mailbox is read-only"};
inline constexpr FixedAnswer kLimit{Condition::no, "LIMIT", "That is more than is allowed"};
inline constexpr FixedAnswer kNoMemory{Condition::no, "LIMIT",
                                       "Too many large messages at one time, try again later"};
inline constexpr FixedAnswer kTooLarge{Condition::no, "TOOBIG", "The message is too large"};
inline constexpr FixedAnswer kFolderFull{Condition::no, "OVERQUOTA", "The mailbox is full"};
inline constexpr FixedAnswer kDiskFull{Condition::no, "UNAVAILABLE",
                                       "Out of storage, try again later"};
inline constexpr FixedAnswer kBadKeyword{Condition::no, "CANNOT",
                                         "No message can have that keyword"};
inline constexpr FixedAnswer kExpunged{Condition::no, "EXPUNGEISSUED",
                                       "Some of the messages are gone"};
inline constexpr FixedAnswer kDamaged{Condition::no, "CORRUPTION",
                                      "Some of the messages cannot be read"};
inline constexpr FixedAnswer kCannot{Condition::no, "CANNOT", "That cannot be done"};
inline constexpr FixedAnswer kInUse{Condition::no, "INUSE", "Busy, try again later"};
inline constexpr FixedAnswer kUnavailable{Condition::no, "UNAVAILABLE",
                                          "Not possible now, try again later"};
inline constexpr FixedAnswer kServerBug{Condition::no, "SERVERBUG", "Internal error"};
inline constexpr FixedAnswer kNoSuchNumber{Condition::bad, "",
                                           "No message has that sequence number"};
// RFC 7162 section 3.2.3: without ENABLE QRESYNC, which is not offered.
inline constexpr FixedAnswer kNeedsQresync{Condition::bad, "", "QRESYNC is not enabled"};
inline constexpr FixedAnswer kNoSavedResult{Condition::no, "NOTSAVED", "No result was saved"};
inline constexpr FixedAnswer kBadCharset{Condition::no, "BADCHARSET (UTF-8 US-ASCII)",
                                         "Unknown character set"};
inline constexpr FixedAnswer kNotDecodable{Condition::no, "UNKNOWN-CTE",
                                           "The part has an unknown transfer encoding"};
inline constexpr FixedAnswer kNoBinary{Condition::no, "UNKNOWN-CTE",
                                       "Binary messages are not taken"};

}  // namespace answers
}  // namespace ph::imap_server
