#include "front/imap/detail/voice.h"

#include <utility>

namespace ph::imap_server {

void Voice::status(std::string_view tag, const Answer& answer) {
  writer().status({tag, answer.condition, answer.code, answer.text});
}

rt::Task<bool> Voice::flush() {
  if (broken_.has_value()) co_return false;
  if (out().empty()) co_return true;
  const std::string waiting = connection_.engine.take_output();
  co_return co_await send(waiting);
}

rt::Task<bool> Voice::make_room() {
  if (out().size() < kOutputSlice) co_return !broken_.has_value();
  const bool sent = co_await flush();
  if (!sent) co_return false;
  rt::Loop& loop = connection_.wire.loop();
  co_await rt::yield(loop);  // a fast reader must not keep the loop for itself
  co_return true;
}

rt::Task<bool> Voice::send(std::string_view octets) {
  if (!out().empty()) {
    const bool sent = co_await flush();
    if (!sent) co_return false;
  }
  while (!octets.empty() && !broken_.has_value()) {
    const std::string_view slice = octets.substr(0, kOutputSlice);
    const rt::Deadline until =
        connection_.wire.loop().in(settings_.current().get(kProgressTimeout));
    Status sent = co_await connection_.wire.send_view(slice, until);
    if (!sent.has_value()) break_off(std::move(sent).error());
    octets.remove_prefix(slice.size());
  }
  co_return !broken_.has_value();
}

void Voice::break_off(Error why) {
  if (!broken_.has_value()) broken_ = std::move(why);
}

}  // namespace ph::imap_server
