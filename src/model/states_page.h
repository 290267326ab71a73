// docs/states.md, made from the rest table: what people read is what the queue runs by.
#pragma once

#include <string>

namespace ph::model {

std::string queue_states_page();

}  // namespace ph::model
