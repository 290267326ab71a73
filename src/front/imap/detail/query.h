// SEARCH keys as the store's query.
#pragma once

#include <string_view>
#include <variant>

#include "codec/imap/search_key.h"
#include "front/imap/detail/selected.h"
#include "front/imap/errors.h"
#include "state/store/search.h"

namespace ph::imap_server {

struct QueryContext {
  const Selected& selected;
  std::string_view charset;  // of the key's texts; "" is UTF-8
  Time now;
};

// A refusal if the charset is unknown or a saved result is wanted. Sequence numbers beyond the last
// message find nothing.
std::variant<store::Query, Answer> query_of(const imap::SearchKey& key,
                                            const QueryContext& context);

}  // namespace ph::imap_server
