// Every text of the IMAP engine that a client may see.
#pragma once

#include <string_view>

namespace ph::imap {

inline constexpr std::string_view kNoTag = "Command must begin with a tag";
inline constexpr std::string_view kUnknownCommand = "Unknown command";
inline constexpr std::string_view kNeedsLogin = "Log in first";
inline constexpr std::string_view kOnlyBeforeLogin = "Already logged in";
inline constexpr std::string_view kNeedsMailbox = "No mailbox is selected";
inline constexpr std::string_view kLineEnd = "Lines must end with CR LF";
inline constexpr std::string_view kLineTooLong = "Command line is too long";
inline constexpr std::string_view kCommandTooLong = "Command is too long";
inline constexpr std::string_view kLiteralTooBig = "Literal is too big";
inline constexpr std::string_view kLiteralForm = "This form of literal is not accepted";
inline constexpr std::string_view kMessageTooBig = "Message is too big";
inline constexpr std::string_view kDiscardTooBig = "Too much data was sent unasked";
inline constexpr std::string_view kNotDone = "Expected DONE";
inline constexpr std::string_view kSaslMalformed = "Response is not valid base64";
inline constexpr std::string_view kSaslTooLong = "Response is too long";
inline constexpr std::string_view kSpaceExpected = "Space expected";
inline constexpr std::string_view kTextAfterCommand = "Unexpected text after the command";
inline constexpr std::string_view kAtomExpected = "Atom expected";
inline constexpr std::string_view kStringExpected = "String expected";
inline constexpr std::string_view kQuotedMalformed = "Quoted string is malformed";
inline constexpr std::string_view kLiteralMalformed = "Literal is malformed";
inline constexpr std::string_view kNulInString = "NUL is not allowed";
inline constexpr std::string_view kNumberExpected = "Number expected or out of range";
inline constexpr std::string_view kParenthesisExpected = "Parenthesis expected";
inline constexpr std::string_view kBracketExpected = "Bracket expected";
inline constexpr std::string_view kSetMalformed = "Sequence set is malformed";
inline constexpr std::string_view kMailboxMalformed = "Mailbox name is malformed";
inline constexpr std::string_view kFlagMalformed = "Flag is malformed or may not be set";
inline constexpr std::string_view kTooManyFlags = "Too many keywords";
inline constexpr std::string_view kDateMalformed = "Date is malformed";
inline constexpr std::string_view kUnknownItem = "Unknown data item";
inline constexpr std::string_view kSectionMalformed = "Section is malformed";
inline constexpr std::string_view kTooManyItems = "Too many data items";
inline constexpr std::string_view kUnknownSearchKey = "Unknown search key";
inline constexpr std::string_view kSearchTooDeep = "Search is nested too deeply";
inline constexpr std::string_view kSearchTooLong = "Search has too many keys";
inline constexpr std::string_view kUnknownOption = "Unknown option or parameter";
inline constexpr std::string_view kBase64Malformed = "Invalid base64";
inline constexpr std::string_view kIdMalformed = "Malformed or too long identification";
inline constexpr std::string_view kOneMessageOnly = "APPEND takes one message here";

}  // namespace ph::imap
