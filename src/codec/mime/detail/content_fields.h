// The Content- fields of a part header.
#pragma once

#include <cstddef>
#include <string_view>

#include "codec/mime/message.h"

namespace ph::mime {

// Fills in the values of `part` from its header; of repeated fields the first counts.
// `default_type`
// ("text/plain", in a digest "message/rfc822") stands for an absent Content-Type.
void read_content_fields(Part& part, const HeaderView& header, std::string_view default_type,
                         size_t parameter_limit);

// The boundary of a multipart; "" if it has none that can be used.
std::string usable_boundary(const Part& part);

}  // namespace ph::mime
