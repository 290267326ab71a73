// Folders: create, delete, rename, subscriptions. Each is alone in its commit, because names are
// looked up in the State and not in the draft.
#include <algorithm>

#include "base/text.h"
#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

class FolderChange : public Change {
 public:
  bool alone() const final { return true; }
};

Status check_name(std::string_view name) {
  if (const auto problem = problem_with_name(name)) return fail(kBadName, *problem);
  return {};
}

struct Slot {
  FolderId parent;
  std::string leaf;
};

// Where `name` goes; missing levels above it are made. Checks come first.
Result<Slot> make_levels(Draft& draft, std::string_view name, uint64_t seq) {
  const std::vector<std::string_view> levels = split(name, '/');
  FolderId parent;
  for (size_t i = 0; i + 1 < levels.size(); ++i) {
    const FolderState* known = draft.tree().child(parent, levels[i]);
    parent = known != nullptr
                 ? known->record.id
                 : draft.add_folder(parent, levels[i], Role::none, FolderKind::normal, seq);
  }
  return Slot{parent, std::string(levels.back())};
}

Status check_levels(const Draft& draft, std::string_view name) {
  const size_t levels = split(name, '/').size();
  if (draft.tree().size() + levels > kFoldersMax) {
    return fail(kTooManyFolders, "this mailbox has its maximum of folders");
  }
  if (!draft.has_numbers(levels + 2)) return fail(kExhausted, "the mailbox has no numbers left");
  const FolderState* outbox = draft.tree().with(Role::outbox);
  if (outbox == nullptr) return {};
  const std::string above = draft.tree().path(outbox->record.id) + "/";
  if (name.starts_with(above)) return fail(kRoleFolder, "the Outbox has no folders below it");
  return {};
}

class CreateChange final : public FolderChange {
 public:
  CreateChange(std::string name, Role role) : name_(std::move(name)), role_(role) {}

  Status apply(Draft& draft) override {
    PH_TRY_STATUS(check_levels(draft, name_));
    if (role_ == Role::inbox || role_ == Role::outbox) {
      return fail(kRoleFolder, "this role is taken for good");
    }
    if (role_ != Role::none && draft.tree().with(role_) != nullptr) {
      return fail(kRoleFolder, "another folder has this role");
    }
    const FolderState* known = draft.tree().named(name_);
    if (known != nullptr && known->record.kind == FolderKind::normal) {
      return fail(kFolderExists, "there is a folder of this name");
    }
    const uint64_t seq = draft.step();
    if (known != nullptr) {  // a level above others becomes a folder that holds messages
      FolderRecord record = known->record;
      record.kind = FolderKind::normal;
      record.role = role_;
      record.uid_validity = draft.take_uid_validity();
      draft.set_folder(record, seq);
      made = record.id;
      return {};
    }
    PH_TRY(const Slot slot, make_levels(draft, name_, seq));
    made = draft.add_folder(slot.parent, slot.leaf, role_, FolderKind::normal, seq);
    return {};
  }

  FolderId made;

 private:
  const std::string name_;
  const Role role_;
};

class DeleteChange final : public FolderChange {
 public:
  DeleteChange(FolderId folder, Children children) : folder_(folder), children_(children) {}

  Status apply(Draft& draft) override {
    const FolderTree& tree = draft.tree();
    const FolderState* folder = tree.find(folder_);
    if (folder == nullptr || folder->record.kind == FolderKind::leaving) {
      return fail(kNoFolder, "there is no such folder");
    }
    if (folder->record.role == Role::inbox || folder->record.role == Role::outbox) {
      return fail(kRoleFolder, "the Inbox and the Outbox stay");
    }
    const bool has_children = tree.has_children(folder_);
    const bool only_a_level = folder->record.kind == FolderKind::level_only;
    if (has_children && (children_ == Children::refuse || only_a_level) &&
        children_ != Children::remove) {
      return fail(kHasChildren, "there are folders below it");
    }
    if (!draft.has_numbers(2)) return fail(kExhausted, "the mailbox has no numbers left");
    const uint64_t seq = draft.step();
    if (has_children && children_ == Children::keep) {
      keep_level(draft, *folder, seq);
      leave(draft, *folder, seq);
      return {};
    }
    for (const FolderId id : tree.below(folder_)) leave(draft, *tree.find(id), seq);
    return {};
  }

 private:
  static void leave(Draft& draft, const FolderState& folder, uint64_t seq) {
    FolderRecord record = folder.record;
    record.kind = FolderKind::leaving;
    record.role = Role::none;
    draft.set_folder(record, seq);
    draft.note_gone_folder(record.id, seq);
  }
  // The name stays as a level of its own, so that the folder's messages can go under its id.
  static void keep_level(Draft& draft, const FolderState& folder, uint64_t seq) {
    const FolderId level = draft.add_folder(folder.record.parent, folder.record.leaf, Role::none,
                                            FolderKind::level_only, seq);
    for (const FolderId child : draft.tree().children(folder.record.id)) {
      FolderRecord record = draft.tree().find(child)->record;
      record.parent = level;
      draft.set_folder(record, seq);
    }
  }

  const FolderId folder_;
  const Children children_;
};

class RenameChange final : public FolderChange {
 public:
  RenameChange(FolderId folder, std::string name) : folder_(folder), name_(std::move(name)) {}

  Status apply(Draft& draft) override {
    const FolderTree& tree = draft.tree();
    const FolderState* folder = tree.find(folder_);
    if (folder == nullptr || folder->record.kind == FolderKind::leaving) {
      return fail(kNoFolder, "there is no such folder");
    }
    const Role role = folder->record.role;
    if (role == Role::outbox) return fail(kRoleFolder, "the Outbox keeps its name");
    PH_TRY_STATUS(check_levels(draft, name_));
    const FolderState* taken = tree.named(name_);
    if (taken != nullptr) return fail(kFolderExists, "there is a folder of this name");
    if (role != Role::inbox) PH_TRY_STATUS(check_subtree(tree));
    const uint64_t seq = draft.step();
    PH_TRY(const Slot slot, make_levels(draft, name_, seq));
    FolderRecord record = folder->record;
    if (role == Role::inbox) replace_inbox(draft, seq, record);
    record.parent = slot.parent;
    record.leaf = canonical_leaf(slot.parent, slot.leaf);
    draft.set_folder(record, seq);
    return {};
  }

 private:
  // Everything below must have a legal name afterwards, and nothing can be below itself.
  Status check_subtree(const FolderTree& tree) const {
    const std::string old_path = tree.path(folder_);
    if (name_.starts_with(old_path + "/")) {
      return fail(kBadName, "a folder cannot be put below itself");
    }
    for (const FolderId id : tree.below(folder_)) {
      const std::string path = name_ + tree.path(id).substr(old_path.size());
      PH_TRY_STATUS(check_name(path));
    }
    return {};
  }
  // RFC 3501 section 6.3.8: the messages go, the Inbox and what is below it stay.
  static void replace_inbox(Draft& draft, uint64_t seq, FolderRecord& record) {
    const FolderId inbox =
        draft.add_folder(FolderId(), "INBOX", Role::inbox, FolderKind::normal, seq);
    for (const FolderId child : draft.tree().children(record.id)) {
      FolderRecord moved = draft.tree().find(child)->record;
      moved.parent = inbox;
      draft.set_folder(moved, seq);
    }
    record.role = Role::none;
  }

  const FolderId folder_;
  const std::string name_;
};

enum class Wanted : uint8_t { subscribed, not_subscribed };

class SubscribeChange final : public FolderChange {
 public:
  SubscribeChange(std::string name, Wanted wanted) : name_(std::move(name)), wanted_(wanted) {}

  Status apply(Draft& draft) override {
    if (wanted_ == Wanted::subscribed) {
      draft.set_subscribed(name_);
    } else {
      draft.unset_subscribed(name_);
    }
    return {};
  }

 private:
  const std::string name_;
  const Wanted wanted_;
};

Folder shown(const State& state, const FolderState& folder) {
  Folder out;
  out.id = folder.record.id;
  out.name = state.folders.path(folder.record.id);
  out.role = folder.record.role;
  out.uid_validity = folder.record.uid_validity;
  out.selectable = folder.record.kind == FolderKind::normal;
  out.subscribed = state.subscriptions.contains(out.name);
  out.has_children = state.folders.has_children(folder.record.id);
  out.created = folder.record.created;
  return out;
}

// "inbox" in any case as the first level is "INBOX".
std::string canonical_name(std::string name) {
  const size_t first = name.find('/');
  if (iequals(std::string_view(name).substr(0, first), "INBOX")) name.replace(0, 5, "INBOX");
  return name;
}

}  // namespace

FolderId folder_for(Draft& draft, Role role, uint64_t seq) {
  const std::string name(default_name(role));
  for (int number = 1;; ++number) {
    const std::string leaf = number == 1 ? name : name + " " + std::to_string(number);
    const FolderState* known = draft.tree().child(FolderId(), leaf);
    if (known == nullptr) {
      return draft.add_folder(FolderId(), leaf, role, FolderKind::normal, seq);
    }
    if (known->record.kind != FolderKind::normal || known->record.role != Role::none) continue;
    FolderRecord record = known->record;
    record.role = role;
    draft.set_folder(record, seq);
    return record.id;
  }
}

std::vector<Folder> Mailbox::folders() const {
  const State& state = inside_->state;
  std::vector<Folder> out;
  for (const auto& [id, folder] : state.folders.all()) {
    if (folder.record.kind != FolderKind::leaving) out.push_back(shown(state, folder));
  }
  std::ranges::sort(out, [](const Folder& a, const Folder& b) {
    const bool a_is_first = a.name == "INBOX" || a.name.starts_with("INBOX/");
    const bool b_is_first = b.name == "INBOX" || b.name.starts_with("INBOX/");
    return a_is_first != b_is_first ? a_is_first : a.name < b.name;
  });
  return out;
}

std::optional<Folder> Mailbox::folder(FolderId folder) const {
  const FolderState* found = inside_->state.folders.find(folder);
  if (found == nullptr || found->record.kind == FolderKind::leaving) return std::nullopt;
  return shown(inside_->state, *found);
}

std::optional<Folder> Mailbox::find_folder(std::string_view name) const {
  const FolderState* found = inside_->state.folders.named(name);
  if (found == nullptr) return std::nullopt;
  return shown(inside_->state, *found);
}

std::optional<Folder> Mailbox::folder_with(Role role) const {
  const FolderState* found = inside_->state.folders.with(role);
  if (found == nullptr || role == Role::none) return std::nullopt;
  return shown(inside_->state, *found);
}

Result<FolderStatus> Mailbox::status(FolderId folder) const {
  const FolderState* found = inside_->state.folders.find(folder);
  if (found == nullptr || found->record.kind == FolderKind::leaving) {
    return fail(kNoFolder, "there is no such folder");
  }
  if (found->record.kind != FolderKind::normal) {
    return fail(kNotSelectable, "the folder is only a level above others");
  }
  const CounterRecord& c = found->counters;
  FolderStatus out;
  out.id = folder;
  out.uid_validity = found->record.uid_validity;
  out.uid_next = c.uid_next;
  out.messages = c.messages;
  out.unseen = c.unseen;
  out.deleted = c.deleted;
  out.size_bytes = c.size_bytes;
  out.highest.value = std::max<uint64_t>(c.highest, 1);
  out.recent_from = c.recent_from;
  return out;
}

std::vector<std::string> Mailbox::subscriptions() const {
  return {inside_->state.subscriptions.begin(), inside_->state.subscriptions.end()};
}

rt::Task<Result<Folder>> Mailbox::create_folder(std::string name, Role role,
                                                rt::Deadline deadline) {
  name = canonical_name(std::move(name));
  PH_CO_TRY_STATUS(check_name(name));
  auto change = std::make_shared<CreateChange>(std::move(name), role);
  PH_CO_TRY_STATUS(co_await inside_->make(change, deadline));
  const std::optional<Folder> made = folder(change->made);
  if (!made.has_value()) co_return fail(kNoFolder, "the folder was deleted again meanwhile");
  co_return *made;
}

rt::Task<Status> Mailbox::delete_folder(FolderId folder, Children children, rt::Deadline deadline) {
  auto change = std::make_shared<DeleteChange>(folder, children);
  PH_CO_TRY_STATUS(co_await inside_->make(change, deadline));
  inside_->house_work_waits.wake();
  co_return Status();
}

rt::Task<Status> Mailbox::rename_folder(FolderId folder, std::string name, rt::Deadline deadline) {
  name = canonical_name(std::move(name));
  PH_CO_TRY_STATUS(check_name(name));
  auto change = std::make_shared<RenameChange>(folder, std::move(name));
  co_return co_await inside_->make(std::move(change), deadline);
}

rt::Task<Status> Mailbox::subscribe(std::string name, rt::Deadline deadline) {
  name = canonical_name(std::move(name));
  PH_CO_TRY_STATUS(check_name(name));
  if (inside_->state.subscriptions.contains(name)) co_return Status();
  if (inside_->state.subscriptions.size() >= kSubscriptionsMax) {
    co_return fail(kTooManyFolders, "this mailbox has its maximum of subscriptions");
  }
  auto change = std::make_shared<SubscribeChange>(std::move(name), Wanted::subscribed);
  co_return co_await inside_->make(std::move(change), deadline);
}

rt::Task<Status> Mailbox::unsubscribe(std::string name, rt::Deadline deadline) {
  name = canonical_name(std::move(name));
  if (!inside_->state.subscriptions.contains(name)) co_return Status();
  auto change = std::make_shared<SubscribeChange>(std::move(name), Wanted::not_subscribed);
  co_return co_await inside_->make(std::move(change), deadline);
}

}  // namespace ph::store
