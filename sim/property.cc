#include "sim/property.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "admin/queue_verbs.h"
#include "base/text.h"
#include "service/pressure/monitor.h"
#include "service/queue/options.h"
#include "sim/detail/plan.h"
#include "sim/world.h"
#include "state/settings/settings.h"

namespace ph::sim {
namespace {

using model::QueueRow;
using model::QueueState;

constexpr Duration kGrace = Duration::seconds(60);  // beyond what a row's clock explains
constexpr Duration kLook = Duration::seconds(15);   // between looks at what has not ended
constexpr Duration kClientsEnd = Duration::minutes(20);
constexpr Duration kPressureEnds = Duration::minutes(2);
constexpr int kTriesMax = 4;  // of a letter, while there are faults
constexpr size_t kRowsMax = 5000;
constexpr size_t kFindingsMax = 20;

std::string describe(const QueueRow& row) {
  std::string out =
      fmt::format("{} {} for <{}> is {} because {}", model::to_text(row.id), row.index,
                  row.recipient.address, model::to_text(row.state), model::to_text(row.reason));
  if (!model::is_end(row.state)) {
    out += fmt::format(", next action {} ({})", to_iso8601(row.next_action_at),
                       model::next_action_of(row));
  }
  if (row.history.empty()) return out;
  const model::ReplyRecord& last = row.history.back();
  return out + fmt::format(", last reply at {} of {}: {}", model::to_text(last.stage), last.host,
                           model::to_text(last));
}

bool is_relaxed(const app::Server& server) {
  return std::ranges::all_of(server.pressure().report(), [](const pressure::Standing& s) {
    return s.level == pressure::Level::low;
  });
}

class Run {
 public:
  explicit Run(const PropertyOptions& options)
      : options_(options), plan_(make_plan(options.seed)), world_(world_options(options)) {}

  PropertyResult run() {
    if (begin()) {
      suffer();
      heal();
      settle();
      judge();
    }
    for (std::string& finding : world_.simulation().check()) find(std::move(finding));
    result_.letters = world_.sent().size();
    for (const auto& [marker, sent] : world_.sent()) {
      if (sent.injection.fate == Fate::accepted) ++result_.accepted;
    }
    result_.steps = world_.simulation().steps();
    result_.virtual_time = world_.since_start();
    result_.trace_hash = world_.simulation().trace_hash() ^
                         (uint64_t{world_.disk().fingerprint()} * 0x9E3779B97F4A7C15ULL);
    return std::move(result_);
  }

 private:
  static WorldOptions world_options(const PropertyOptions& options) {
    WorldOptions out;
    out.seed = options.seed;
    out.say = options.say;
    out.say_log_from = obs::Level::debug;
    return out;
  }

  void find(std::string finding) {
    world_.say("FINDING", finding);
    if (result_.findings.size() < kFindingsMax) result_.findings.push_back(std::move(finding));
  }

  bool begin();
  void suffer();
  void supervise();
  void send_again(int tries_max);
  void heal();
  Duration longest_wait();
  void settle();
  bool all_ended();
  std::vector<queue::ListedRow> rows();
  void check_rows();
  void check_explanation(model::QueueId id);
  void judge();
  void judge_letter(const Sent& sent);
  void judge_row(const Sent& sent, const QueueRow& row);
  void judge_failed(const Sent& sent, const QueueRow& row);
  void judge_mailboxes();
  size_t copies(const std::string& account, const std::string& marker) const;
  size_t reports(const std::string& account, const std::string& marker,
                 const std::string& recipient) const;
  void break_table();

  const PropertyOptions& options_;
  Plan plan_;
  World world_;
  PropertyResult result_;
  Instant healed_at_;
  bool was_down_ = false;
  std::map<std::string, int> tries_;                      // by the letter's first marker
  std::set<std::string> followed_;                        // markers whose fate was looked at
  std::map<std::string, std::vector<std::string>> mail_;  // account: messages
};

bool Run::begin() {
  for (auto& [name, value] : plan_.settings) {
    const Status set = world_.set(name, value);
    if (!set.has_value()) find("cannot set " + name + ": " + set.error().to_text());
  }
  for (const std::string& account : plan_.accounts) {
    static_cast<void>(world_.add_account(account));  // before the start it cannot fail
  }
  for (const directory::Alias& alias : plan_.aliases) static_cast<void>(world_.add_alias(alias));
  for (const auto& [name, domain] : plan_.hops) {
    NextHop& hop = world_.add_hop(name, {domain});
    hop.set_conduct(usual_conduct(domain));
    if (options_.breakage == Breakage::lose_at_hop) hop.lose_messages();
  }
  const Status started = world_.start();
  if (!started.has_value()) find(started.error().to_text());
  if (plan_.rough_network) world_.simulation().network().set_profile(rt_sim::FaultProfile::rough());
  if (plan_.rough_dns) world_.simulation().dns().set_profile(rt_sim::DnsProfile::rough());
  return started.has_value();
}

// The time with faults: the plan's actions, letters sent again, and a look at the table now and
// then.
void Run::suffer() {
  const Duration look_every = plan_.length / 4;
  Duration next_look = look_every;
  Duration next_again = Duration::seconds(30);
  size_t next_action = 0;
  const auto run_to = [this](Duration when) {
    world_.simulation().run_until(world_.simulation().now() + (when - world_.since_start()));
  };
  while (world_.since_start() < plan_.length || next_action < plan_.actions.size()) {
    const Duration action =
        next_action < plan_.actions.size() ? plan_.actions[next_action].when : Duration::max();
    const Duration next = std::min({action, next_look, next_again});
    if (next > world_.since_start()) run_to(next);
    if (next == action) {
      plan_.actions[next_action++].act(world_);
    } else if (next == next_again) {
      supervise();
      send_again(kTriesMax);
      next_again = world_.since_start() + Duration::seconds(30);
    } else {
      check_rows();
      next_look = world_.since_start() + look_every;
    }
  }
}

// A server that was down at the last look and still is, is started again.
void Run::supervise() {
  const bool down = !world_.server_host().up();
  if (down && was_down_) world_.restart_server();
  was_down_ = down;
}

// A client that was not told 250 sends again, under a new marker.
void Run::send_again(int tries_max) {
  std::vector<Letter> again;
  for (const auto& [marker, sent] : world_.sent()) {
    const Fate fate = sent.injection.fate;
    if (fate == Fate::sending || followed_.contains(marker)) continue;
    followed_.insert(marker);
    if (fate == Fate::accepted) continue;
    // Refused for good: a client does not come back with these.
    if (sent.injection.words.starts_with("5")) continue;
    const std::string first = marker.substr(0, marker.find('.'));
    if (++tries_[first] >= tries_max) continue;
    Letter letter = sent.letter;
    letter.marker = first + "." + std::to_string(tries_[first]);
    again.push_back(std::move(letter));
  }
  for (Letter& letter : again) world_.send(std::move(letter));
}

void Run::heal() {
  if (options_.breakage == Breakage::skip_index || options_.breakage == Breakage::lose_row) {
    break_table();
  }
  rt_sim::Simulation& sim = world_.simulation();
  sim.network().heal();
  sim.dns().heal();
  world_.disk().set_space(kv_mem::Space::plenty);
  world_.disk().fail_next(0);
  world_.kill_server_at_commit(UINT64_MAX - 1, kv_mem::CrashPoint::Phase::before_durable);
  for (const auto& [name, domain] : plan_.hops) {
    world_.find_hop(name)->heal();
    world_.find_hop(name)->set_conduct(usual_conduct(domain));
  }
  world_.say("world", "everything heals");
  if (!world_.server_host().up()) world_.restart_server();
  sim.run_until([this] { return world_.is_serving(); }, Duration::minutes(5));
  if (!world_.is_serving()) find("the server does not serve after everything healed");
  // Back pressure ends by itself: the calm time, a look and what was still in its window.
  const auto relaxed = [this] { return !world_.is_serving() || is_relaxed(world_.server()); };
  if (sim.run_until(relaxed, kPressureEnds) != rt_sim::RunEnd::reached) {
    find("mail is still refused after everything healed");
  }
  healed_at_ = sim.now();
  // Letters that nobody took are sent once more, now to a healthy world.
  sim.run_until([this] { return !world_.has_sending(); }, kClientsEnd);
  if (world_.has_sending()) find("a client still sends after everything healed");
  const auto before = world_.sent();
  send_again(1'000'000);
  if (world_.sent().size() == before.size()) return;
  sim.run_until([this] { return !world_.has_sending(); }, kClientsEnd);
  for (const auto& [marker, sent] : world_.sent()) {
    const Fate fate = sent.injection.fate;
    if (before.contains(marker) || fate == Fate::accepted) continue;
    if (sent.injection.words.starts_with("5")) continue;
    find(fmt::format("{} is {} by a healthy server: {}", marker, to_text(fate),
                     sent.injection.words));
  }
  healed_at_ = sim.now();
}

// How long a row may wait from now on, at most: what its clock says, and a grace.
Duration Run::longest_wait() {
  const config::Values& values = world_.server().settings().source(world_.server_loop()).current();
  const std::vector<Duration> schedule = values.get(queue::kSchedule);
  Duration wait = *std::ranges::max_element(schedule);
  wait = wait + wait * static_cast<int64_t>(values.get(queue::kJitter)) / 100;
  Duration more;
  // A kept connection may be dead without anybody knowing: its first message waits for an answer.
  if (plan_.rough_network) more = values.get(queue::kLease);
  for (const queue::ListedRow& listed : rows()) {
    if (listed.row.state == QueueState::in_flight) {
      more = std::max(more, values.get(queue::kLease));
    } else if (listed.row.state == QueueState::held) {
      more = std::max(more, values.get(queue::kPoisonReview));
    }
  }
  return wait + more + kGrace;
}

void Run::settle() {
  if (!world_.is_serving()) return;
  rt_sim::Simulation& sim = world_.simulation();
  const Duration wait = longest_wait();
  while (!all_ended() && sim.now() - healed_at_ < wait) sim.run_for(kLook);
  result_.settled_after = sim.now() - healed_at_;
  for (const queue::ListedRow& listed : rows()) {
    if (model::is_end(listed.row.state)) continue;
    find(fmt::format("not at its end {} after everything healed (allowed {}): {}",
                     to_text(result_.settled_after), to_text(wait), describe(listed.row)));
  }
}

// ---- what the server says ----

std::vector<queue::ListedRow> Run::rows() {
  std::vector<queue::ListedRow> out;
  if (!world_.is_serving()) return out;
  std::string from;
  do {
    queue::ListFilter filter;
    filter.with_ended = true;
    rt::Loop& loop = world_.server_loop();
    auto page = world_.ask(world_.server().queue().list(loop, std::move(filter), std::move(from),
                                                        kRowsMax, loop.in(Duration::minutes(1))));
    if (!page.has_value()) return {};  // killed meanwhile
    if (!page->has_value()) {
      find("queue.list: " + page->error().to_text());
      return {};
    }
    from = std::move((*page)->next);
    std::ranges::move((*page)->rows, std::back_inserter(out));
  } while (!from.empty() && world_.is_serving());
  return out;
}

bool Run::all_ended() {
  const std::vector<queue::ListedRow> all = rows();
  return std::ranges::all_of(
      all, [](const queue::ListedRow& listed) { return model::is_end(listed.row.state); });
}

// At any time: every accepted letter has a row for each of its recipients, and every row that has
// not ended says why it waits and what happens next.
void Run::check_rows() {
  if (!world_.is_serving()) return;
  std::set<std::string> accepted;
  for (const auto& [marker, sent] : world_.sent()) {
    if (sent.injection.fate == Fate::accepted) accepted.insert(marker);
  }
  std::set<std::pair<std::string, std::string>> known;
  const std::vector<queue::ListedRow> all = rows();
  if (all.empty() && !world_.is_serving()) return;
  std::set<uint64_t> looked_at;
  for (const queue::ListedRow& listed : all) {
    known.emplace(listed.message_id, listed.row.recipient.address);
    if (model::is_end(listed.row.state)) continue;
    const std::string_view fault = model::fault_of(listed.row);
    if (!fault.empty()) find(fmt::format("{}: {}", fault, describe(listed.row)));
    if (looked_at.size() < 3) looked_at.insert(listed.row.id.value);
  }
  for (const std::string& marker : accepted) {
    for (const std::string& recipient : world_.sent().at(marker).injection.recipients) {
      if (known.contains({message_id_of(marker), recipient})) continue;
      find(fmt::format("{} for <{}> was accepted and is not in the table", marker, recipient));
    }
  }
  for (const uint64_t id : looked_at) check_explanation(model::QueueId{id});
}

void Run::check_explanation(model::QueueId id) {
  if (!world_.is_serving()) return;
  rt::Loop& loop = world_.server_loop();
  const auto why = world_.ask(world_.server().queue().why(loop, id, loop.in(Duration::minutes(1))));
  if (!why.has_value()) return;  // killed meanwhile
  if (!why->has_value()) {
    find("queue.why: " + why->error().to_text());
    return;
  }
  const admin::Json told = admin::explain(**why);
  for (const admin::Json& recipient : told.at("recipients")) {
    const auto says = [&](const char* key) {
      return recipient.contains(key) && !recipient.at(key).get<std::string>().empty();
    };
    const auto state = model::queue_state_named(recipient.at("state").get<std::string>());
    if (state.has_value() && model::is_end(*state)) continue;
    for (const char* key : {"reason", "reason_text", "next_action", "next_action_at"}) {
      if (!says(key)) find(fmt::format("why has no {}: {}", key, recipient.dump()));
    }
  }
}

// ---- what really is ----

void Run::judge_mailboxes() {
  for (const std::string& account : plan_.accounts) {
    auto mail = world_.mailbox(account);
    if (!mail.has_value()) {
      find("cannot read the mailbox of " + account + ": " + mail.error().to_text());
      continue;
    }
    for (const std::string& message : *mail) {
      const std::string marker = marker_of(message);
      const bool is_report = ifind(message, "multipart/report") != std::string::npos;
      if (!is_report && !world_.sent().contains(marker)) {
        find(fmt::format("{} has a message nobody sent: {}", account, marker));
      }
    }
    mail_[account] = std::move(*mail);
  }
}

size_t Run::copies(const std::string& account, const std::string& marker) const {
  const auto at = mail_.find(account);
  if (at == mail_.end()) return 0;
  return static_cast<size_t>(std::ranges::count_if(
      at->second, [&](const std::string& message) { return marker_of(message) == marker; }));
}

size_t Run::reports(const std::string& account, const std::string& marker,
                    const std::string& recipient) const {
  const auto at = mail_.find(account);
  if (at == mail_.end()) return 0;
  return static_cast<size_t>(std::ranges::count_if(at->second, [&](const std::string& message) {
    return is_report_about(message, marker, recipient);
  }));
}

void Run::judge() {
  if (!world_.is_serving()) return;
  judge_mailboxes();
  for (const auto& [marker, sent] : world_.sent()) judge_letter(sent);
  rt::Loop& loop = world_.server_loop();
  const auto swept = world_.ask(world_.server().queue().sweep(loop, loop.in(Duration::minutes(1))));
  if (!swept.has_value() || !swept->has_value()) {
    find("the auditor does not answer");
  } else if ((*swept)->defects() > 0) {
    find(fmt::format("the last sweep found {} defects", (*swept)->defects()));
  }
  if (world_.defects_counted() > 0) {
    find(fmt::format("the auditor counted {} defects", world_.defects_counted()));
  }
}

void Run::judge_letter(const Sent& sent) {
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
    find(fmt::format("{} for <{}>: the queue knows nothing of it", marker, address));
  };
  if (sent.injection.fate == Fate::accepted) {
    for (const std::string& recipient : sent.injection.recipients) {
      require(recipient);
      const auto own = row_of(recipient);
      if (own == all.end() || own->state != QueueState::expanded) continue;
      for (const std::string& address : expand(plan_, recipient)) require(address);
    }
  }
  for (const QueueRow& row : all) judge_row(sent, row);
  for (const std::string& account : plan_.accounts) {
    if (copies(account, marker) > 1) find(fmt::format("{} is twice in {}", marker, account));
  }
}

void Run::judge_row(const Sent& sent, const QueueRow& row) {
  const std::string& marker = sent.letter.marker;
  const std::string& address = row.recipient.address;
  const std::string hop_name = "mx." + std::string(model::domain_of(address));
  const NextHop* hop = world_.find_hop(hop_name);
  const size_t taken = hop == nullptr ? 0 : hop->taken(marker, address);
  if (row.state == QueueState::expanded) {
    if (expand(plan_, address).front() == address) find("not an alias: " + describe(row));
  } else if (row.state == QueueState::delivered) {
    if (copies(address, marker) != 1) {
      find(fmt::format("{} is {} times in the mailbox: {}", marker, copies(address, marker),
                       describe(row)));
    }
  } else if (row.state == QueueState::relayed) {
    if (taken == 0) find(fmt::format("{}: {} never took it: {}", marker, hop_name, describe(row)));
  } else if (row.state == QueueState::failed || row.state == QueueState::expired) {
    judge_failed(sent, row);
    // One that expired while its attempt was lost may be there: its worker died behind the
    // delivery.
    const bool lost = row.state == QueueState::expired && row.attempts > 0;
    if (copies(address, marker) != 0 && !lost) {
      find(fmt::format("{} failed and is in the mailbox: {}", marker, describe(row)));
    }
  } else if (row.state == QueueState::removed) {
    find(fmt::format("{} was removed: {}", marker, describe(row)));
  }
  const bool once = row.state != QueueState::relayed ? taken == 0 : taken <= 1;
  if (!once && !row.maybe_delivered) {
    find(fmt::format("{}: {} took it {} times and nothing says it might: {}", marker, hop_name,
                     taken, describe(row)));
  }
}

void Run::judge_failed(const Sent& sent, const QueueRow& row) {
  const std::string& marker = sent.letter.marker;
  const std::string& address = row.recipient.address;
  const bool refused = address.starts_with(kRefusedLocalPart) ||
                       model::domain_of(address) == kNoSuchDomain || plan_.hops_may_refuse;
  const bool allowed = row.state == QueueState::expired ? plan_.may_expire : refused;
  if (!allowed) find(fmt::format("{} failed without cause: {}", marker, describe(row)));
  const std::string& sender = sent.letter.sender;
  if (std::ranges::find(plan_.accounts, sender) == plan_.accounts.end()) return;
  const size_t told = reports(sender, marker, address);
  if (told == 0 && plan_.may_expire) return;  // the report itself may have been too old
  if (told != 1) {
    find(fmt::format("{}: {} reports in the mailbox of {}: {}", marker, told, sender,
                     describe(row)));
  }
}

// What the broken server of the test's own test does: the first row that waits loses its entry in
// the index by time, or everything, while the server is down.
void Run::break_table() {
  // A row that waits, whatever else the seed does.
  const auto [name, domain] = plan_.hops.front();
  world_.find_hop(name)->set_door(Door::closed);
  world_.simulation().network().heal();
  if (!world_.is_serving()) {
    world_.restart_server();
    world_.simulation().run_until([this] { return world_.is_serving(); }, Duration::minutes(5));
  }
  world_.send({"broken", plan_.accounts.front(), {"r1@" + domain}});
  world_.simulation().run_for(Duration::seconds(50));
  world_.kill_server(rt_sim::Crash::process);
  rt_sim::Host& host = world_.simulation().add_host({.name = "vandal", .loops = 1});
  kv_mem::MemStore store(world_.disk());
  const auto vandalise = [&](std::string shard) -> rt::Task<Status> {
    rt::Loop& loop = host.loop();
    PH_CO_TRY(const auto partition, store.open(loop, std::move(shard)));
    PH_CO_TRY(const kv::Page due, co_await partition->scan(kv::prefix_range("t")));
    kv::Batch batch;
    for (const kv::Entry& entry : due.entries) {
      batch.erase(entry.key);
      // "t" time id index: the row's name is behind the time.
      if (options_.breakage == Breakage::lose_row) batch.erase("r" + entry.key.substr(9));
    }
    if (batch.empty()) co_return Status();
    PH_CO_TRY_STATUS(co_await partition->commit(std::move(batch),
                                                {std::nullopt, loop.in(Duration::minutes(1))}));
    co_return Status();
  };
  for (const char* shard : {"queue/0", "queue/1"}) {
    const auto done = world_.simulation().await(host.loop(), vandalise(shard));
    if (!done.has_value() || !done->has_value()) find("the vandal found no table");
  }
}

}  // namespace

std::optional<Breakage> breakage_named(std::string_view name) {
  if (name == "lose-at-hop") return Breakage::lose_at_hop;
  if (name == "skip-index") return Breakage::skip_index;
  if (name == "lose-row") return Breakage::lose_row;
  return std::nullopt;
}

PropertyResult run_property(const PropertyOptions& options) { return Run(options).run(); }

}  // namespace ph::sim
