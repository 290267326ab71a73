// LIST (RFC 3501, RFC 5258, RFC 6154, RFC 5819) and LSUB.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "front/imap/detail/commands.h"
#include "front/imap/detail/special_use.h"

namespace ph::imap_server {
namespace {

constexpr size_t kPatternsMax = 32;
constexpr size_t kPatternBytesMax = 2 * store::kNameBytesMax;
// Matching costs name times pattern; after so many steps others may run.
constexpr size_t kSliceSteps = 1'000'000;
constexpr char kDelimiter = '/';

// A name that LIST may show: a folder, or a subscription without one.
struct Candidate {
  std::string name;
  std::optional<store::Folder> folder;
  bool subscribed = false;
  bool subscribed_below = false;
};

// All of them, folders first and in their order.
std::vector<Candidate> candidates(const store::Mailbox& mailbox, const cmd::List& command) {
  std::vector<Candidate> out;
  std::map<std::string, size_t, std::less<>> by_name;
  for (store::Folder& folder : mailbox.folders()) {
    Candidate c;
    c.name = folder.name;
    c.folder = std::move(folder);
    by_name.emplace(c.name, out.size());
    out.push_back(std::move(c));
  }
  const auto at = [&out, &by_name](std::string_view name) -> Candidate& {
    const auto [place, is_new] = by_name.emplace(std::string(name), out.size());
    if (is_new) {
      out.emplace_back();
      out.back().name = name;
    }
    return out[place->second];
  };
  for (const std::string& name : mailbox.subscriptions()) {
    if (command.select.subscribed || by_name.contains(name)) at(name).subscribed = true;
    if (!command.select.recursive_match) continue;
    for (size_t end = name.rfind(kDelimiter); end != std::string::npos && end > 0;
         end = name.rfind(kDelimiter, end - 1)) {
      at(std::string_view(name).substr(0, end)).subscribed_below = true;
    }
  }
  return out;
}

bool is_selected(const Candidate& c, const cmd::List::Select& select) {
  if (select.special_use && (!c.folder.has_value() || special_use_of(c.folder->role).empty())) {
    return false;
  }
  if (!select.subscribed) return c.folder.has_value();
  return c.subscribed || (select.recursive_match && c.subscribed_below);
}

void write_line(Desk& desk, const cmd::List& command, const Candidate& c) {
  std::vector<std::string_view> attributes;
  if (!c.folder.has_value()) {
    attributes.push_back("\\NonExistent");
  } else {
    if (!c.folder->selectable) attributes.push_back("\\Noselect");
    attributes.push_back(c.folder->has_children ? "\\HasChildren" : "\\HasNoChildren");
    const std::string_view use = special_use_of(c.folder->role);
    if (!use.empty()) attributes.push_back(use);
  }
  if (c.subscribed && (command.select.subscribed || command.returns.subscribed)) {
    attributes.push_back("\\Subscribed");
  }
  static constexpr std::array<std::string_view, 1> kBelow = {"SUBSCRIBED"};
  imap::ListLine line{attributes, kDelimiter, c.name};
  if (command.select.recursive_match && c.subscribed_below) line.child_info = kBelow;
  desk.voice.writer().list(line);
  if (!command.returns.status.has_value() || !c.folder.has_value() || !c.folder->selectable) return;
  const Result<store::FolderStatus> now = desk.mailbox->status(c.folder->id);
  if (!now.has_value()) return;
  desk.voice.writer().mailbox_status(c.name, status_values(*now, *command.returns.status));
}

bool any_matches(std::string_view name, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [name](const std::string& pattern) {
    return imap::matches(name, {pattern, kDelimiter});
  });
}

// The patterns behind the reference; false if they are more or longer than any name needs.
bool join_patterns(std::string_view reference, std::vector<std::string>& patterns) {
  if (patterns.size() > kPatternsMax) return false;
  for (std::string& pattern : patterns) {
    pattern.insert(0, reference);
    if (pattern.size() > kPatternBytesMax) return false;
  }
  return true;
}

size_t steps_of(std::string_view name, const std::vector<std::string>& patterns) {
  size_t sum = 1;
  for (const std::string& pattern : patterns) sum += name.size() * pattern.size();
  return sum;
}

}  // namespace

rt::Task<Answer> list(Desk& desk, cmd::List command) {
  if (!command.extended && command.patterns.size() == 1 && command.patterns[0].empty()) {
    static constexpr std::array<std::string_view, 1> kNoselect = {"\\Noselect"};
    desk.voice.writer().list({kNoselect, kDelimiter, ""});
    co_return answers::kDone;
  }
  if (!join_patterns(command.reference, command.patterns)) co_return answers::kLimit;
  const std::vector<Candidate> all = candidates(*desk.mailbox, command);
  size_t steps = 0;
  for (const Candidate& c : all) {
    steps += steps_of(c.name, command.patterns);
    if (steps > kSliceSteps) {
      steps = 0;
      co_await rt::yield(desk.loop);
    }
    if (!is_selected(c, command.select) || !any_matches(c.name, command.patterns)) continue;
    write_line(desk, command, c);
    const bool room = co_await desk.voice.make_room();
    if (!room) break;
  }
  co_return answers::kDone;
}

// RFC 3501 section 6.3.9: a level above a subscription that `%` stopped at comes as \Noselect.
rt::Task<Answer> lsub(Desk& desk, cmd::Lsub command) {
  std::vector<std::string> patterns = {std::move(command.pattern)};
  if (!join_patterns(command.reference, patterns)) co_return answers::kLimit;
  std::map<std::string, bool> found;  // whether the name itself is subscribed
  size_t steps = 0;
  for (const std::string& name : desk.mailbox->subscriptions()) {
    steps += steps_of(name, patterns);
    if (steps > kSliceSteps) {
      steps = 0;
      co_await rt::yield(desk.loop);
    }
    if (any_matches(name, patterns)) {
      found[name] = true;
      continue;
    }
    for (size_t end = name.rfind(kDelimiter); end != std::string::npos && end > 0;
         end = name.rfind(kDelimiter, end - 1)) {
      const std::string above = name.substr(0, end);
      if (found.contains(above)) break;
      if (any_matches(above, patterns)) found.emplace(above, false);
    }
  }
  static constexpr std::array<std::string_view, 1> kNoselect = {"\\Noselect"};
  for (const auto& [name, subscribed] : found) {
    imap::ListLine line{{}, kDelimiter, name};
    if (!subscribed) line.attributes = kNoselect;
    desk.voice.writer().lsub(line);
    const bool room = co_await desk.voice.make_room();
    if (!room) break;
  }
  co_return answers::kDone;
}

}  // namespace ph::imap_server
