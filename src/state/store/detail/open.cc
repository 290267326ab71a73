// Opening a mailbox: reads everything but rows, and mends what is damaged.
//
// Rows and contents that are damaged are only set aside, when they are met. The few records without
// which nothing works are replaced by safe ones, the damaged octets being kept under "x/": a header
// whose sequence and numbers are far beyond anything given out before; counters with a new
// UIDVALIDITY, because UIDs may have been given out that left no trace; a folder's name.
#include <algorithm>

#include "kv/errors.h"
#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

constexpr uint64_t kLeap = uint64_t{1} << 24;  // beyond what a lost header may have given out
constexpr Role kDefaultFolders[] = {Role::inbox, Role::drafts,  Role::sent,  Role::junk,
                                    Role::trash, Role::archive, Role::outbox};

struct Loader {
  Mailbox::Inside& mailbox;
  kv::Batch mended;
  bool header_lost = false;
  uint64_t seq_seen = 0;
  uint64_t number_seen = 0;
  std::map<FolderId, CounterRecord> counters;
  std::set<FolderId> without_counters;
  std::set<FolderId> without_record;

  State& state() { return mailbox.state; }

  void keep_aside(const kv::Entry& entry, std::string_view what) {
    mailbox.set_aside(entry.key, what);
    mended.put("x/" + entry.key, entry.value);
  }

  void take_folder(const kv::Entry& e) {
    const FolderId id = key_folder(e.key);
    number_seen = std::max(number_seen, id.value);
    std::optional<FolderRecord> r = decode_folder(e.key, e.value);
    if (!r.has_value()) {
      keep_aside(e, "folder");
      without_record.insert(id);
      return;
    }
    seq_seen = std::max(seq_seen, r->changed);
    state().folders.put({*r, CounterRecord()});
  }
  void take_counters(const kv::Entry& e) {
    const FolderId id = key_folder(e.key);
    number_seen = std::max(number_seen, id.value);
    const std::optional<CounterRecord> r = decode_counter(e.key, e.value);
    if (!r.has_value()) {
      keep_aside(e, "folder counters");
      without_counters.insert(id);
      return;
    }
    seq_seen = std::max(seq_seen, r->highest);
    counters[id] = *r;
  }
  void take_keyword(const kv::Entry& e) {
    std::optional<std::string> name = decode_keyword(e.key, e.value);
    if (name.has_value()) {
      state().keywords.place(key_u32(e.key, 2), std::move(*name));
    } else {
      mailbox.set_aside(e.key, "keyword");
      const uint32_t index = key_u32(e.key, 2);
      state().keywords.place(index, "$Damaged-" + std::to_string(index));
    }
  }
  void take_submission(const kv::Entry& e) {
    std::optional<Submission> s = decode_submission(e.key, e.value);
    number_seen = std::max(number_seen, key_u64(e.key, 2));
    if (!s.has_value()) {
      mailbox.set_aside(e.key, "submission");
      return;
    }
    mailbox.looks[s->id] = s->next_action_at;
    state().submissions[s->id] = std::move(*s);
  }
  void take(const kv::Entry& e) {
    switch (e.key[0]) {
      case 'b': state().subscriptions.insert(e.key.substr(2)); break;
      case 'c': take_counters(e); break;
      case 'f': take_folder(e); break;
      case 'k': take_keyword(e); break;
      case 's': take_submission(e); break;
      default: break;
    }
  }

  uint32_t fresh_uid_validity() {
    HeaderRecord& h = state().header;
    const int64_t now_s =
        std::clamp<int64_t>(mailbox.around.loop.wall().unix_s(), 1, UINT32_MAX / 2);
    h.uid_validity = std::max(h.uid_validity + 1, static_cast<uint32_t>(now_s));
    return h.uid_validity;
  }

  void put_folder(const FolderState& folder) {
    state().folders.put(folder);
    const std::string key = folder_key(folder.record.id);
    mended.put(key, encode(folder.record, key));
  }

  // A name (and role, if its number tells) for a folder whose record is lost.
  void mend_record(FolderId id) {
    FolderState folder;
    folder.record.id = id;
    folder.record.leaf = "Recovered " + std::to_string(id.value);
    if (id.value <= std::size(kDefaultFolders)) {
      const Role role = kDefaultFolders[id.value - 1];
      if (state().folders.with(role) == nullptr) {
        folder.record.role = role;
        if (state().folders.child(FolderId(), default_name(role)) == nullptr) {
          folder.record.leaf = default_name(role);
        }
      }
    }
    folder.record.uid_validity = fresh_uid_validity();
    folder.record.created = mailbox.around.loop.wall();
    folder.record.changed = state().header.seq;
    put_folder(folder);
  }
};

rt::Task<Status> each(kv::Snapshot& from, std::string prefix, Loader& loader) {
  std::optional<kv::Range> range = kv::prefix_range(prefix);
  while (range.has_value()) {
    PH_CO_TRY(const kv::Page page, co_await from.scan(*range));
    for (const kv::Entry& entry : page.entries) loader.take(entry);
    range = page.rest;
  }
  co_return Status();
}

// The largest number in the keys under `prefix`.
rt::Task<Result<uint64_t>> last_number(kv::Snapshot& from, std::string prefix) {
  kv::Range range = kv::prefix_range(prefix);
  range.order = kv::Range::Order::falling;
  range.entries_max = 1;
  PH_CO_TRY(const kv::Page page, co_await from.scan(range));
  co_return page.entries.empty() ? 0 : key_u64(page.entries.front().key, prefix.size());
}

Guid random_guid(rt::Entropy& entropy) {
  Guid guid;
  std::ranges::copy(entropy.bytes(guid.octets.size()), reinterpret_cast<char*>(guid.octets.data()));
  return guid;
}

rt::Task<Status> mend_header(kv::Snapshot& from, Loader& loader) {
  HeaderRecord& header = loader.state().header;
  Mailbox::Inside& mailbox = loader.mailbox;
  for (const char* prefix : {"i/", "m/", "s/", "z/"}) {
    PH_CO_TRY(const uint64_t last, co_await last_number(from, prefix));
    loader.number_seen = std::max(loader.number_seen, last);
  }
  header = HeaderRecord();
  header.guid = random_guid(mailbox.around.entropy);
  header.replica = random_guid(mailbox.around.entropy);
  header.seq = loader.seq_seen + kLeap;
  header.next_number = loader.number_seen + kLeap;
  header.tombstone_floor = header.seq;
  header.created = mailbox.around.loop.wall();
  for (const auto& [id, folder] : loader.state().folders.all()) {
    header.uid_validity = std::max(header.uid_validity, folder.record.uid_validity);
  }
  co_return Status();
}

rt::Task<Status> mend_counters(kv::Snapshot& from, Loader& loader, FolderId id) {
  FolderState* folder = loader.state().folders.find(id);
  if (folder == nullptr) co_return Status();
  kv::Range range = kv::prefix_range(row_prefix(id));
  range.order = kv::Range::Order::falling;
  range.entries_max = 1;
  PH_CO_TRY(const kv::Page last, co_await from.scan(range));
  const Uid uid = last.entries.empty() ? 0 : row_key_uid(last.entries.front().key);
  FolderState mended = *folder;
  mended.counters = CounterRecord();
  mended.counters.uid_next = uid == UINT32_MAX ? uid : uid + 1;
  mended.counters.highest = loader.state().header.seq;
  mended.record.uid_validity = loader.fresh_uid_validity();
  loader.put_folder(mended);
  const std::string key = counter_key(id);
  loader.mended.put(key, encode(mended.counters, key));
  co_return Status();
}

rt::Task<Status> mend(kv::Snapshot& from, Loader& loader) {
  State& state = loader.state();
  if (loader.header_lost) {
    PH_CO_TRY_STATUS(co_await mend_header(from, loader));
  }
  for (const FolderId id : loader.without_record) loader.mend_record(id);
  for (const auto& [id, counters] : loader.counters) {
    if (state.folders.find(id) == nullptr) loader.mend_record(id);
    state.folders.find(id)->counters = counters;
  }
  for (const auto& [id, folder] : state.folders.all()) {
    if (!loader.counters.contains(id)) loader.without_counters.insert(id);
  }
  for (const FolderId id : loader.without_counters) {
    PH_CO_TRY_STATUS(co_await mend_counters(from, loader, id));
  }
  // A header older than what it counts would give numbers out twice.
  state.header.seq = std::max(state.header.seq, loader.seq_seen);
  state.header.next_number = std::max(state.header.next_number, loader.number_seen + 1);
  co_return Status();
}

// A new mailbox: its header and its folders, in one commit.
kv::Batch first_commit(Mailbox::Inside& mailbox) {
  State& state = mailbox.state;
  state.header = HeaderRecord();
  state.header.guid = random_guid(mailbox.around.entropy);
  state.header.replica = random_guid(mailbox.around.entropy);
  state.header.created = mailbox.around.loop.wall();
  state.header.swept = state.header.created;
  Draft draft(state, state.header.created);
  const uint64_t seq = draft.step();
  for (const Role role : kDefaultFolders) {
    draft.add_folder(FolderId(), default_name(role), role, FolderKind::normal, seq);
    draft.set_subscribed(std::string(default_name(role)));
  }
  kv::Batch batch = draft.finish();
  draft.merge(state);
  return batch;
}

}  // namespace

std::string_view default_name(Role role) {
  switch (role) {
    case Role::none: return "Folder";
    case Role::inbox: return "INBOX";
    case Role::drafts: return "Drafts";
    case Role::sent: return "Sent";
    case Role::junk: return "Junk";
    case Role::trash: return "Trash";
    case Role::archive: return "Archive";
    case Role::outbox: return "Outbox";
  }
  return "Folder";
}

Mailbox::Inside::Inside(MailboxId mailbox, Surroundings surroundings)
    : id(mailbox),
      around(std::move(surroundings)),
      writer(state, around.loop, around.options),
      loads(around.loop),
      house_work_waits(around.loop),
      scope(around.loop, "mailbox " + std::to_string(mailbox.value)) {}

rt::Task<Status> Mailbox::Inside::open() {
  PH_CO_TRY(partition, around.kv.open(around.loop, "mailbox/" + std::to_string(id.value)));
  const std::unique_ptr<kv::Snapshot> snapshot = partition->read();
  PH_CO_TRY(const auto header, co_await snapshot->get(std::string(kHeaderKey)));
  Loader loader{
      .mailbox = *this, .mended = {}, .counters = {}, .without_counters = {}, .without_record = {}};
  if (header.has_value()) {
    if (const auto decoded = decode_header(kHeaderKey, *header)) {
      state.header = *decoded;
    } else {
      loader.header_lost = true;
      loader.keep_aside({std::string(kHeaderKey), *header}, "header");
    }
  }
  for (const char* prefix : {"f/", "c/", "k/", "b/", "s/"}) {
    PH_CO_TRY_STATUS(co_await each(*snapshot, prefix, loader));
  }
  kv::Batch batch;
  if (!header.has_value() && state.folders.size() == 0 && loader.counters.empty()) {
    batch = first_commit(*this);
  } else {
    loader.header_lost = loader.header_lost || !header.has_value();
    PH_CO_TRY_STATUS(co_await mend(*snapshot, loader));
    batch = std::move(loader.mended);
    if (loader.header_lost || !batch.empty()) {
      ++state.header.commits;
      batch.put(std::string(kHeaderKey), encode(state.header, kHeaderKey));
    }
  }
  if (!batch.empty()) {
    PH_CO_TRY(const kv::Version version,
              co_await partition->commit(std::move(batch), {std::nullopt, soon()}));
    (void)version;
  }
  co_return Status();
}

void Mailbox::Inside::spawn_activities() {
  writer.on_commit([this] { note_looks(); });
  scope.spawn("writer", writer.run(*partition));
  scope.spawn("housework", keep_house());
}

void Mailbox::Inside::set_aside(std::string key, std::string_view what) {
  constexpr size_t kDamageMax = 1'000;
  if (damage.contains(key) || damage.size() >= kDamageMax) return;
  around.set_aside.add();
  around.log.error("store.record_set_aside",
                   {{"mailbox", id.value}, {"record", what}, {"size", key.size()}});
  damage.emplace(std::move(key), what);
}

}  // namespace ph::store
