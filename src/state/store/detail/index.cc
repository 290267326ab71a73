#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {

rt::Task<Result<IndexPin>> Mailbox::Inside::load(FolderId folder, rt::Deadline deadline) {
  for (bool started = false;;) {
    const FolderState* known = state.folders.find(folder);
    if (known == nullptr || known->record.kind == FolderKind::leaving) {
      co_return fail(kNoFolder, "there is no such folder");
    }
    if (known->record.kind != FolderKind::normal) {
      co_return fail(kNotSelectable, "the folder is only a level above others");
    }
    const auto at = state.indexes.find(folder);
    if (at != state.indexes.end()) {
      at->second->idle_since = around.loop.now();
      if (at->second->loaded()) co_return IndexPin(*at->second);
    } else {
      const auto error = load_errors.find(folder);
      if (started && error != load_errors.end()) co_return error->second;
      load_errors.erase(folder);
      state.indexes.emplace(folder, std::make_unique<FolderIndex>(state.folders, state.keywords,
                                                                  state.header, folder));
      ++loading;
      scope.spawn("load a folder", load_rows(folder));
    }
    started = true;
    const rt::Woken woken = co_await loads.wait(deadline, "a folder to be loaded");
    if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, "loading a folder");
    if (woken == rt::Woken::deadline) co_return fail(kTimedOut, "the folder is still loading");
  }
}

rt::Task<void> Mailbox::Inside::load_rows(FolderId folder) {
  FolderIndex& index = *state.indexes.at(folder);
  const std::unique_ptr<kv::Snapshot> snapshot = partition->read();
  std::optional<kv::Range> range = kv::prefix_range(row_prefix(folder));
  std::optional<Error> error;
  while (range.has_value() && !error.has_value()) {
    const auto page = co_await snapshot->scan(*range);
    if (!page.has_value()) {
      error = page.error();
      continue;
    }
    for (const kv::Entry& entry : page->entries) {
      if (const auto row = decode_row(entry.key, entry.value)) {
        index.load(*row);
      } else {
        set_aside(entry.key, "message row");
      }
    }
    range = page->rest;
    if (range.has_value()) co_await rt::yield(around.loop);
  }
  --loading;
  if (error.has_value()) {
    load_errors.emplace(folder, *error);
    state.indexes.erase(folder);
  } else {
    index.finish_loading();
  }
  loads.open();
}

void Mailbox::Inside::drop_idle_indexes(Instant before) {
  std::erase_if(state.indexes, [before](const auto& item) {
    const FolderIndex& index = *item.second;
    return index.loaded() && !index.in_use() && index.idle_since <= before;
  });
}

size_t Mailbox::Inside::index_bytes() const {
  size_t out = 0;
  for (const auto& [folder, index] : state.indexes) out += index->memory_bytes();
  return out;
}

}  // namespace ph::store
