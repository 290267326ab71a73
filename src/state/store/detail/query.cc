// Search: a query tree over one folder.
//
// Each message is first judged by what the index knows, in three values: yes, no, open. Only where
// the answer stays open are its octets read, once, and the tree is judged again. The work is cut
// into slices, so that a search of a large folder delays nobody.
#include <algorithm>
#include <vector>

#include "base/check.h"
#include "codec/mime/date.h"
#include "codec/mime/message.h"
#include "codec/mime/search.h"
#include "codec/text/casemap.h"
#include "kv/errors.h"
#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

enum class Truth : uint8_t { no, yes, open };

Truth truth_of(bool value) { return value ? Truth::yes : Truth::no; }

constexpr size_t kSliceMessages = 2'000;  // judged from memory
constexpr size_t kSliceReads = 20;

using Kind = Query::Kind;

bool needs_octets(Kind kind) {
  return kind == Kind::header || kind == Kind::body || kind == Kind::text ||
         kind == Kind::sent_from;
}
bool needs_content(Kind kind) { return kind == Kind::email_id || kind == Kind::thread_id; }

// A query with what is prepared once for all messages.
struct Term {
  const Query* query = nullptr;
  std::optional<text::Needle> needle;
  std::optional<uint32_t> keyword;
  std::vector<Term> children;
};

struct Size {
  size_t depth = 0;
  size_t terms = 0;
};

Status prepare(const Query& query, const KeywordTable& keywords, Term& out, Size& size) {
  if (++size.terms > kQueryTermsMax) return fail(kBadRequest, "the search has too many terms");
  if (++size.depth > kQueryDepthMax) return fail(kBadRequest, "the search is nested too deeply");
  out.query = &query;
  if (needs_octets(query.kind) && query.kind != Kind::sent_from) out.needle.emplace(query.text);
  if (query.kind == Kind::has_keyword) out.keyword = keywords.find(query.text);
  out.children.resize(query.children.size());
  for (size_t i = 0; i < query.children.size(); ++i) {
    PH_TRY_STATUS(prepare(query.children[i], keywords, out.children[i], size));
  }
  --size.depth;
  return {};
}

// What is known of the message so far.
struct Subject {
  const Row* row = nullptr;
  const ContentRecord* content = nullptr;
  const mime::Message* message = nullptr;
};

Truth judge_octets(const Term& term, const Subject& subject) {
  if (subject.message == nullptr) return Truth::open;
  const mime::Message& message = *subject.message;
  const Query& q = *term.query;
  const mime::HeaderView header = message.header(message.root());
  switch (q.kind) {
    case Kind::header: return truth_of(mime::header_contains(header, q.field, *term.needle));
    case Kind::body: return truth_of(mime::body_contains(message, *term.needle));
    case Kind::text: return truth_of(mime::text_contains(message, *term.needle));
    default: break;
  }
  const std::optional<mime::Field> date = header.first("Date");
  const auto when = date.has_value() ? mime::parse_date(date->value()) : std::nullopt;
  // Without a usable Date the day it came counts.
  const Time sent =
      when.has_value() ? when->wall() : Time::from_unix_s(subject.row->internal_date_s);
  return truth_of(sent >= q.time);
}

Truth judge_leaf(const Term& term, const Subject& subject) {
  const Query& q = *term.query;
  const Row& row = *subject.row;
  switch (q.kind) {
    case Kind::all: return Truth::yes;
    case Kind::has_flag: return truth_of((row.bits & static_cast<uint16_t>(q.flag)) != 0);
    case Kind::has_keyword: return truth_of(term.keyword && row.keywords.has(*term.keyword));
    case Kind::uids: {
      const auto behind = std::ranges::upper_bound(q.ranges, row.uid, {}, &UidRange::first);
      return truth_of(behind != q.ranges.begin() && std::prev(behind)->last >= row.uid);
    }
    case Kind::received_from: return truth_of(Time::from_unix_s(row.internal_date_s) >= q.time);
    case Kind::saved_from: return truth_of(Time::from_unix_s(row.saved_s) >= q.time);
    case Kind::larger: return truth_of(row.size_bytes > q.number);
    case Kind::smaller: return truth_of(row.size_bytes < q.number);
    case Kind::modseq_from: return truth_of(row.modseq() >= q.number);
    default: break;
  }
  if (!needs_content(q.kind)) return judge_octets(term, subject);
  if (subject.content == nullptr) return Truth::open;
  return truth_of(q.number == (q.kind == Kind::email_id ? subject.content->email.value
                                                        : subject.content->thread.value));
}

// Recursion is bounded by kQueryDepthMax.
Truth judge(const Term& term, const Subject& subject) {
  const Kind kind = term.query->kind;
  if (kind != Kind::all_of && kind != Kind::any_of && kind != Kind::none_of) {
    return judge_leaf(term, subject);
  }
  const Truth decides = kind == Kind::all_of ? Truth::no : Truth::yes;
  Truth found = Truth::no;  // whether some child decides
  for (const Term& child : term.children) {
    const Truth truth = judge(child, subject);
    if (truth == decides) {
      found = Truth::yes;
      break;
    }
    if (truth == Truth::open) found = Truth::open;
  }
  if (found == Truth::open || kind == Kind::any_of) return found;
  return found == Truth::yes ? Truth::no : Truth::yes;
}

// The rest of the judgement, from what the partition and the blob say. Damage is "no match".
rt::Task<Result<Truth>> judge_by_content(Mailbox::Inside& mailbox, const Term& term, Row row) {
  const auto content = co_await mailbox.read_content(row.id);
  if (!content.has_value() && content.error().is(kDamaged)) co_return Truth::no;
  if (!content.has_value()) co_return content.error();
  if (!content->has_value()) co_return Truth::no;
  const ContentRecord record = **content;
  const Truth truth = judge(term, {&row, &record, nullptr});
  if (truth != Truth::open) co_return truth;
  const auto octets = co_await mailbox.read_octets(record, 0, kv::kWholeBlob);
  if (!octets.has_value()) {
    const Error& error = octets.error();
    if (error.is(kv::kDamaged) || error.is(kv::kNoBlob)) co_return Truth::no;
    co_return error;
  }
  const mime::Message message(**octets);
  co_return judge(term, {&row, &record, &message});
}

}  // namespace

rt::Task<Result<std::vector<Uid>>> Mailbox::search(FolderId folder, Query query,
                                                   rt::Deadline deadline) {
  PH_CO_TRY(const IndexPin pin, co_await inside_->load(folder, deadline));
  Term term;
  Size size;
  PH_CO_TRY_STATUS(prepare(query, inside_->state.keywords, term, size));
  std::vector<Uid> out;
  size_t judged = 0;
  size_t read = 0;
  // The folder may change at each suspension, so the place in it is kept as a UID.
  for (Uid next = 1; next != 0;) {
    const auto& entries = pin->entries();
    const auto at = std::ranges::lower_bound(entries, next, {}, &Entry::uid);
    if (at == entries.end()) break;
    const Row row = pin->row(*at);
    next = row.uid + 1;  // 0 behind the last possible UID
    Truth truth = judge(term, {&row, nullptr, nullptr});
    if (truth == Truth::open) {
      PH_CO_TRY(truth, co_await judge_by_content(*inside_, term, row));
      ++read;
    }
    if (truth == Truth::yes) out.push_back(row.uid);
    if (++judged % kSliceMessages == 0 || read >= kSliceReads) {
      read = 0;
      if (deadline.passed(inside_->around.loop.now())) {
        co_return fail(kTimedOut, "the search did not end in time");
      }
      const rt::Woken woken = co_await rt::yield(inside_->around.loop);
      if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, "a search");
    }
  }
  co_return out;
}

}  // namespace ph::store
