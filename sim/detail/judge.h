// The judgement at the end of a seed: what lies in mailboxes and what the hops took, compared with
// what the clients were told and with what the rows say.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/detail/plan.h"
#include "sim/detail/table.h"

namespace ph::sim {

class Judge {
 public:
  Judge(World& world, const Plan& plan, const Administrator& administrator, const Find& find)
      : world_(world), plan_(plan), administrator_(administrator), find_(find) {}

  void judge();  // runs

 private:
  void judge_mailboxes();
  void judge_letter(const Sent& sent);
  void judge_row(const Sent& sent, const model::QueueRow& row);
  void judge_failed(const Sent& sent, const model::QueueRow& row);
  size_t copies(const std::string& account, const std::string& marker) const;
  size_t reports(const std::string& account, const std::string& marker,
                 const std::string& recipient) const;

  World& world_;
  const Plan& plan_;
  const Administrator& administrator_;
  const Find& find_;
  std::map<std::string, std::vector<std::string>> mail_;  // account: messages
};

}  // namespace ph::sim
