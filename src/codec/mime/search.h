// Substring search in messages as IMAP SEARCH defines it (RFC 3501 section 6.4.4).
//
// Compared is decoded text without regard to case: encoded words and character sets become UTF-8,
// transfer encodings are undone. Linear time; memory for one header field or 64 KiB of a body,
// however large the message.
#pragma once

#include <string_view>

#include "codec/mime/message.h"
#include "codec/text/casemap.h"

namespace ph::mime {

// HEADER name needle (and SUBJECT, FROM, TO, CC, BCC): some field `name` contains it. An empty
// needle asks only whether the field is there.
bool header_contains(const HeaderView& header, std::string_view name, const text::Needle& needle);

// BODY: the decoded text parts and the headers of body parts and of embedded messages; not the
// message's own header, not the content of attachments that are not text.
bool body_contains(const Message& message, const text::Needle& needle);

// TEXT: the message's own header (names and values) or its body.
bool text_contains(const Message& message, const text::Needle& needle);

}  // namespace ph::mime
