#include "front/imap/detail/desk.h"

namespace ph::imap_server {

void Desk::enable_condstore() {
  if (condstore == Condstore::on) return;
  condstore = Condstore::on;
  if (selected == nullptr) return;
  const std::string code = imap::highest_modseq_code(selected->view().seq().value);
  voice.untagged({Condition::ok, code, "Highest"});
}

FixedAnswer Desk::refused(const Error& error, std::string_view what) const {
  if (error.disposition() != Disposition::permanent) {
    parts.log.warning("imap.store_failed",
                      {{"user", user}, {"what", what}, {"why", error.to_text()}});
  }
  return answer_for(error);
}

}  // namespace ph::imap_server
