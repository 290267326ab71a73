// The errors of this room, and every reply text the server engine sends by itself.
#pragma once

#include "base/result.h"
#include "codec/smtp/reply.h"

namespace ph::smtp {

inline constexpr ErrorKind kBadPath{"smtp", "bad-path", Disposition::permanent};
inline constexpr ErrorKind kBareNewline{"smtp", "bare-newline", Disposition::permanent};
inline constexpr ErrorKind kNulInContent{"smtp", "nul-in-content", Disposition::permanent};
inline constexpr ErrorKind kWrongSize{"smtp", "wrong-size", Disposition::bug};
inline constexpr ErrorKind kBadReply{"smtp", "bad-reply", Disposition::transient};
inline constexpr ErrorKind kPeerLacksEightBit{"smtp", "peer-lacks-8bitmime",
                                              Disposition::permanent};
inline constexpr ErrorKind kPeerLacksUtf8{"smtp", "peer-lacks-smtputf8", Disposition::permanent};
inline constexpr ErrorKind kTooBigForPeer{"smtp", "too-big-for-peer", Disposition::permanent};
inline constexpr ErrorKind kPeerLacksDeliverBy{"smtp", "peer-lacks-deliverby",
                                               Disposition::permanent};
inline constexpr ErrorKind kTooSoonForPeer{"smtp", "too-soon-for-peer", Disposition::permanent};
inline constexpr ErrorKind kConnectionLost{"smtp", "connection-lost", Disposition::transient};
inline constexpr ErrorKind kNoRecipients{"smtp", "no-recipients", Disposition::bug};
inline constexpr ErrorKind kTooManyRecipients{"smtp", "too-many-recipients", Disposition::bug};

namespace replies {

inline constexpr FixedReply kOk{250, {2, 0, 0}, "OK"};
inline constexpr FixedReply kSenderOk{250, {2, 1, 0}, "Sender OK"};
inline constexpr FixedReply kRecipientOk{250, {2, 1, 5}, "Recipient OK"};
inline constexpr FixedReply kMessageOk{250, {2, 0, 0}, "Message accepted"};
inline constexpr FixedReply kChunkOk{250, {2, 0, 0}, "Chunk received"};
inline constexpr FixedReply kSendData{354, {}, "Send the message, end with <CRLF>.<CRLF>"};
inline constexpr FixedReply kBye{221, {2, 0, 0}, "Goodbye"};
inline constexpr FixedReply kStartTls{220, {2, 0, 0}, "Ready to start TLS"};
inline constexpr FixedReply kAuthOk{235, {2, 7, 0}, "Authenticated"};
inline constexpr FixedReply kVerifyLater{252, {2, 5, 0}, "Send some mail, delivery will be tried"};
inline constexpr FixedReply kHelp{214, {2, 0, 0}, "See RFC 5321"};

inline constexpr FixedReply kUnknownCommand{500, {5, 5, 1}, "Command not recognized"};
inline constexpr FixedReply kBadLine{500, {5, 5, 2}, "Line is not valid text"};
inline constexpr FixedReply kBareNewline{500, {5, 5, 2}, "Lines must end with CRLF; closing"};
inline constexpr FixedReply kLineTooLong{500, {5, 5, 2}, "Line too long"};
inline constexpr FixedReply kAuthLineTooLong{500, {5, 5, 6}, "Authentication line too long"};
inline constexpr FixedReply kBadArguments{501, {5, 5, 4}, "Syntax error in arguments"};
inline constexpr FixedReply kBadHello{501, {5, 5, 4}, "A domain name or address literal is needed"};
inline constexpr FixedReply kBadSender{501, {5, 1, 7}, "Bad sender address syntax"};
inline constexpr FixedReply kBadRecipient{501, {5, 1, 3}, "Bad recipient address syntax"};
inline constexpr FixedReply kBadParameter{501, {5, 5, 4}, "Bad parameter value"};
inline constexpr FixedReply kUnknownParameter{555, {5, 5, 4}, "Parameter not recognized"};
// RFC 2852 §3: a request below the min-by-time that was announced.
inline constexpr FixedReply kDeliverByTooSoon{
    555, {5, 5, 4}, "Delivery cannot be promised that soon"};
inline constexpr FixedReply kNotImplemented{502, {5, 5, 1}, "Command not implemented"};
inline constexpr FixedReply kHelloFirst{503, {5, 5, 1}, "Say hello first"};
inline constexpr FixedReply kTurnedAway{503, {5, 5, 1}, "No service here, QUIT is expected"};
inline constexpr FixedReply kMailFirst{503, {5, 5, 1}, "MAIL is needed first"};
inline constexpr FixedReply kNestedMail{503, {5, 5, 1}, "A transaction is already open"};
inline constexpr FixedReply kRcptFirst{503, {5, 5, 1}, "RCPT is needed first"};
inline constexpr FixedReply kNoValidRecipients{554, {5, 5, 1}, "No valid recipients"};
inline constexpr FixedReply kChunkingUnderWay{503, {5, 5, 1}, "BDAT is under way"};
inline constexpr FixedReply kTransactionFailed{
    503, {5, 5, 1}, "Transaction failed, RSET is needed"};
inline constexpr FixedReply kBadChunkSize{501, {5, 5, 4}, "Bad BDAT size; closing"};
inline constexpr FixedReply kTlsActive{503, {5, 5, 1}, "TLS is already active"};
inline constexpr FixedReply kInTransaction{503, {5, 5, 1}, "Not inside a transaction"};
inline constexpr FixedReply kTlsFirst{530, {5, 7, 0}, "STARTTLS is needed first"};
inline constexpr FixedReply kAuthFirst{530, {5, 7, 0}, "Authentication is needed first"};
inline constexpr FixedReply kAuthNeedsTls{538, {5, 7, 11}, "Encryption is needed to authenticate"};
inline constexpr FixedReply kAuthTwice{503, {5, 5, 1}, "Already authenticated"};
inline constexpr FixedReply kAuthUnknown{504, {5, 5, 4}, "Mechanism not recognized"};
inline constexpr FixedReply kAuthBadBase64{501, {5, 5, 2}, "Bad base64"};
inline constexpr FixedReply kAuthCancelled{501, {5, 7, 0}, "Authentication cancelled"};
inline constexpr FixedReply kAuthFailed{535, {5, 7, 8}, "Authentication failed"};
inline constexpr FixedReply kUtf8Needed{553, {5, 6, 7}, "Address needs SMTPUTF8"};
inline constexpr FixedReply kTooManyRecipients{452, {4, 5, 3}, "Too many recipients"};
inline constexpr FixedReply kTooBig{552, {5, 3, 4}, "Message too big"};
inline constexpr FixedReply kTooBigClosing{552, {5, 3, 4}, "Message far too big; closing"};
inline constexpr FixedReply kContentBareNewline{554, {5, 6, 0}, "Message has a bare CR or LF"};
inline constexpr FixedReply kContentNul{554, {5, 6, 0}, "Message has a NUL octet"};
inline constexpr FixedReply kContentLongLine{554, {5, 6, 0}, "Message has a line that is too long"};
inline constexpr FixedReply kTooManyErrors{421, {4, 7, 0}, "Too many errors; closing"};
inline constexpr FixedReply kPlaintextAfterTls{501, {5, 5, 2}, "Plaintext behind STARTTLS"};

// For drivers.
inline constexpr FixedReply kShuttingDown{421, {4, 3, 2}, "Shutting down, try again later"};
inline constexpr FixedReply kIdleTooLong{421, {4, 4, 2}, "Idle too long; closing"};
inline constexpr FixedReply kTryLater{451, {4, 3, 0}, "Temporary failure, try again later"};

}  // namespace replies
}  // namespace ph::smtp
