// QueueId: the name of a queued message, for programs and for people.
//
// 64 bits: the shard (10 bits) that keeps the message, then a number that rises with each message
// of the shard (54 bits). Its text is 13 upper-case characters of Crockford's base 32, as printed
// in Received fields, logs and commands; reading accepts lower case, and i, l, o for 1, 1, 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace ph::model {

using QueueId = StrongId<struct QueueIdTag>;

inline constexpr uint32_t kShardsMax = 1024;
inline constexpr uint64_t kQueueNumberMax = (uint64_t{1} << 54) - 1;

// `shard` < kShardsMax and 0 < `number` <= kQueueNumberMax.
QueueId make_queue_id(uint32_t shard, uint64_t number);
uint32_t shard_of(QueueId id);
uint64_t number_of(QueueId id);

std::string to_text(QueueId id);
// The whole of `text`; nullopt if it is not a queue id.
std::optional<QueueId> parse_queue_id(std::string_view text);

}  // namespace ph::model
