#include "front/imap/errors.h"

#include "kv/errors.h"
#include "state/store/errors.h"

namespace ph::imap_server {
namespace {

struct Row {
  const ErrorKind& kind;
  const FixedAnswer& answer;
};

constexpr Row kRows[] = {
    {store::kNoFolder, answers::kNoFolder},
    {store::kFolderExists, answers::kFolderExists},
    {store::kBadName, answers::kBadName},
    {store::kTooManyFolders, answers::kLimit},
    {store::kRoleFolder, answers::kRoleFolder},
    {store::kReadOnly, answers::kWriteProtected},
    {store::kHasChildren, answers::kHasChildren},
    {store::kNotSelectable, answers::kNotSelectable},
    {store::kTooManyKeywords, answers::kLimit},
    {store::kBadKeyword, answers::kBadKeyword},
    {store::kTooLarge, answers::kTooLarge},
    {store::kFolderFull, answers::kFolderFull},
    {store::kBadRequest, answers::kLimit},
    {store::kNoMessage, answers::kExpunged},
    {store::kDamaged, answers::kDamaged},
    {store::kExhausted, answers::kLimit},
    {store::kBusy, answers::kInUse},
    {kv::kDiskFull, answers::kDiskFull},
    {kv::kBusy, answers::kInUse},
    {kv::kDamaged, answers::kDamaged},
    {kv::kNoBlob, answers::kDamaged},
};

}  // namespace

FixedAnswer answer_for(const Error& error) {
  for (const Row& row : kRows) {
    if (error.is(row.kind)) return row.answer;
  }
  switch (error.disposition()) {
    case Disposition::transient:
    case Disposition::conflict:
    case Disposition::cancelled: return answers::kUnavailable;
    case Disposition::permanent: return answers::kCannot;
    case Disposition::bug: break;
  }
  return answers::kServerBug;
}

}  // namespace ph::imap_server
