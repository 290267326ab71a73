#include "sim/detail/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace ph::sim {

using model::QueueRow;
using model::QueueState;

void Judge::judge_mailboxes() {
  for (const std::string& account : plan_.accounts) {
    auto mail = world_.mailbox(account);
    if (!mail.has_value()) {
      find_("cannot read the mailbox of " + account + ": " + mail.error().to_text());
      continue;
    }
    for (const std::string& message : *mail) {
      const std::string marker = marker_of(message);
      const bool is_report = ifind(message, "multipart/report") != std::string::npos;
      if (!is_report && !world_.sent().contains(marker)) {
        find_(fmt::format("{} has a message nobody sent: {}", account, marker));
      }
    }
    mail_[account] = std::move(*mail);
  }
}

size_t Judge::copies(const std::string& account, const std::string& marker) const {
  const auto at = mail_.find(account);
  if (at == mail_.end()) return 0;
  return static_cast<size_t>(std::ranges::count_if(
      at->second, [&](const std::string& message) { return marker_of(message) == marker; }));
}

size_t Judge::reports(const std::string& account, const std::string& marker,
                      const std::string& recipient) const {
  const auto at = mail_.find(account);
  if (at == mail_.end()) return 0;
  return static_cast<size_t>(std::ranges::count_if(at->second, [&](const std::string& message) {
    return is_report_about(message, marker, recipient);
  }));
}

void Judge::judge() {
  judge_mailboxes();
  for (const auto& [marker, sent] : world_.sent()) judge_letter(sent);
}

void Judge::judge_letter(const Sent& sent) {
  const std::string& marker = sent.letter.marker;
  std::vector<QueueRow> all;
  for (const queue::Explanation& e : world_.explain(marker)) {
    all.insert(all.end(), e.rows.begin(), e.rows.end());
  }
  const auto row_of = [&all](const std::string& address) {
    return std::ranges::find_if(
        all, [&](const QueueRow& row) { return row.recipient.address == address; });
  };
  const auto require = [&](const std::string& address) {
    if (row_of(address) != all.end()) return;
    find_(fmt::format("{} for <{}>: the queue knows nothing of it", marker, address));
  };
  if (sent.injection.fate == Fate::accepted) {
    for (const std::string& recipient : sent.injection.recipients) {
      require(recipient);
      const auto own = row_of(recipient);
      const bool is_alias = own != all.end() && own->state == QueueState::expanded &&
                            own->reason == model::QueueReason::expanded_to_members;
      if (!is_alias) continue;
      for (const std::string& address : expand(plan_, recipient)) require(address);
    }
  }
  for (const QueueRow& row : all) judge_row(sent, row);
  for (const std::string& account : plan_.accounts) {
    if (copies(account, marker) > 1) find_(fmt::format("{} is twice in {}", marker, account));
  }
}

void Judge::judge_row(const Sent& sent, const QueueRow& row) {
  const std::string& marker = sent.letter.marker;
  const std::string& address = row.recipient.address;
  const size_t taken = world_.taken(marker, address);
  if (row.reason == model::QueueReason::redirected_by_administrator) {
    if (!administrator_.may_be_redirected(row)) {
      find_(fmt::format("{} was redirected: {}", marker, describe(row)));
    }
  } else if (row.state == QueueState::expanded) {
    if (expand(plan_, address).front() == address) find_("not an alias: " + describe(row));
  } else if (row.state == QueueState::delivered) {
    if (copies(address, marker) != 1) {
      find_(fmt::format("{} is {} times in the mailbox: {}", marker, copies(address, marker),
                        describe(row)));
    }
  } else if (row.state == QueueState::relayed) {
    if (taken == 0) find_(fmt::format("{}: no hop ever took it: {}", marker, describe(row)));
  } else if (row.state == QueueState::failed || row.state == QueueState::expired) {
    judge_failed(sent, row);
    // One that expired while its attempt was lost may be there: its worker died behind the
    // delivery.
    const bool lost = row.state == QueueState::expired && row.attempts > 0;
    if (copies(address, marker) != 0 && !lost) {
      find_(fmt::format("{} failed and is in the mailbox: {}", marker, describe(row)));
    }
  } else if (row.state == QueueState::removed) {
    if (!administrator_.may_be_removed(row)) {
      find_(fmt::format("{} was removed: {}", marker, describe(row)));
    }
  }
  const bool once = row.state != QueueState::relayed ? taken == 0 : taken <= 1;
  if (!once && !row.maybe_delivered) {
    find_(fmt::format("{}: hops took it {} times and nothing says they might: {}", marker, taken,
                      describe(row)));
  }
}

void Judge::judge_failed(const Sent& sent, const QueueRow& row) {
  const std::string& marker = sent.letter.marker;
  const std::string& address = row.recipient.address;
  const bool refused = address.starts_with(kRefusedLocalPart) ||
                       model::domain_of(address) == kNoSuchDomain || plan_.may_fail;
  const bool allowed = row.state == QueueState::expired ? plan_.may_expire : refused;
  if (!allowed) find_(fmt::format("{} failed without cause: {}", marker, describe(row)));
  const std::string& sender = sent.letter.sender;
  if (std::ranges::find(plan_.accounts, sender) == plan_.accounts.end()) return;
  const size_t told = reports(sender, marker, address);
  if (told == 0 && plan_.may_expire) return;  // the report itself may have been too old
  if (told != 1) {
    find_(fmt::format("{}: {} reports in the mailbox of {}: {}", marker, told, sender,
                      describe(row)));
  }
}

}  // namespace ph::sim
