// A scenario being played: the world, made at its first need, and the verbs that a script may use.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sim/detail/words.h"
#include "sim/world.h"

namespace ph::sim {

class Stage {
 public:
  using Print = std::function<void(const std::string&)>;
  explicit Stage(Print print) : print_(std::move(print)) {}

  // kBadLine: the line is not understood. Other errors: it could not be done.
  Status play(std::string_view line);
  // The expectations that did not hold so far, and what the simulation itself found.
  size_t failures() const { return failures_; }
  void finish();

 private:
  struct Verb {
    std::string_view name;
    Status (Stage::*act)(Words&);
  };
  static const std::vector<Verb>& verbs();

  World& world();
  Status started();  // the server serves, now or before
  Result<NextHop*> hop_named(std::string_view name);
  Result<const Sent*> letter_named(std::string_view marker);

  // Furniture.
  Status on_seed(Words& words);
  Status on_set(Words& words);
  Status on_account(Words& words);
  Status on_alias(Words& words);
  Status on_hop(Words& words);
  Status on_dns(Words& words);
  Status on_network(Words& words);
  Status on_then(Words& words);
  Status on_server(Words& words);
  Status on_ticks(Words& words);
  Status hop_answers(NextHop& hop, Words& words);
  Status hop_rule(NextHop& hop, HopRule rule, Words& words);
  Result<HopRule> read_answer(Words& words);
  Result<HopRule> read_place(HopRule rule, Words& words);
  Status hop_takes(NextHop& hop, Words& words);
  // What happens.
  Status on_send(Words& words);
  Status on_watch(Words& words);
  Status send_letters(uint64_t count, Words& words);
  Status read_size(Letter& letter, Words& words);
  Status send_letter(Letter letter);
  Status on_at(Words& words);
  Status on_after(Words& words);
  Status on_kill(Words& words);
  Status on_power(Words& words);
  Status on_restart(Words& words);
  Status on_disk(Words& words);
  Status on_clock(Words& words);
  Status on_admin(Words& words);
  Status on_why(Words& words);
  Status run_to(Duration when);
  // What must be.
  Status on_expect(Words& words);
  Status expect_mailbox(Words& words);
  Status expect_patience(Words& words);
  Status expect_no_defects();
  Status expect_letters(uint64_t count, Words& words);
  Status expect_sum(Words& words);
  Status expect_starts(Words& words);
  // The rows of the letters of a crowd, whatever the letter's number.
  std::optional<std::vector<queue::ListedRow>> rows_of(std::string_view crowd);
  std::vector<const Sent*> letters_of(std::string_view crowd);
  void look_at_crowd();
  Status expect_letter(Words& words, std::string marker);
  Status expect_fate(const Sent& sent, Fate fate);
  Status expect_taken(NextHop& hop, Words& words);
  Status expect_count(Words& words, std::string what, size_t found);
  void failed(const std::string& what, std::string_view marker = {});
  void print_why(std::string_view marker);

  Print print_;
  std::unique_ptr<World> world_;
  bool started_ = false;
  size_t failures_ = 0;
  WorldOptions options_;
  NextHop* last_hop_ = nullptr;  // whom `then it` means
  struct Watched {
    std::string crowd;
    Duration every;
    std::string last;  // as printed
    size_t accepted = 0;
  };
  std::optional<Watched> watched_;
};

}  // namespace ph::sim
