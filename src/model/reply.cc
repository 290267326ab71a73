#include "model/reply.h"

#include "base/check.h"
#include "base/text.h"

namespace ph::model {

std::string_view to_text(Stage stage) {
  switch (stage) {
    case Stage::queue: return "queue";
    case Stage::route: return "route";
    case Stage::connect: return "connect";
    case Stage::greeting: return "greeting";
    case Stage::tls: return "tls";
    case Stage::auth: return "auth";
    case Stage::sender: return "sender";
    case Stage::recipient: return "recipient";
    case Stage::data: return "data";
    case Stage::final: return "final";
    case Stage::mailbox: return "mailbox";
  }
  PH_CHECK(false);
}

std::string to_text(StatusCode code) {
  if (!code.is_set()) return {};
  return std::to_string(code.kind) + '.' + std::to_string(code.subject) + '.' +
         std::to_string(code.detail);
}

ReplyRecord bounded(ReplyRecord reply) {
  reply.host = printable(reply.host, kReplyHostMax);
  reply.text = printable(reply.text, kReplyTextMax);
  return reply;
}

std::string to_text(const ReplyRecord& reply) {
  std::string out;
  if (reply.code != 0) out += std::to_string(reply.code) + ' ';
  if (reply.enhanced.is_set()) out += to_text(reply.enhanced) + ' ';
  out += reply.text;
  return out;
}

}  // namespace ph::model
