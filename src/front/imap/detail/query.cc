#include "front/imap/detail/query.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "codec/text/charset.h"

namespace ph::imap_server {
namespace {

using imap::SearchKey;
using imap::SearchKind;
using store::Query;
using Kind = Query::Kind;

Query query(Kind kind) {
  Query out;
  out.kind = kind;
  return out;
}

Query nothing() { return query(Kind::any_of); }

Query negated(Query inner) {
  Query out = query(Kind::none_of);
  out.children.push_back(std::move(inner));
  return out;
}

Query both(Query a, Query b) {
  Query out = query(Kind::all_of);
  out.children.push_back(std::move(a));
  out.children.push_back(std::move(b));
  return out;
}

Query from_time(Kind kind, Time time) {
  Query out = query(kind);
  out.time = time;
  return out;
}

Query numbered(Kind kind, uint64_t number) {
  Query out = query(kind);
  out.number = number;
  return out;
}

// The day as its digits say, in the zone of whatever it is compared with.
Query on_day(Kind kind, const imap::CalendarDate& date) {
  const Time start = date.midnight();
  return both(from_time(kind, start), negated(from_time(kind, start + Duration::days(1))));
}

Time seconds_ago(const QueryContext& context, uint64_t seconds) {
  const auto most = static_cast<uint64_t>(INT64_MAX / 1'000'000);
  return context.now - Duration::seconds(static_cast<int64_t>(std::min(seconds, most)));
}

Query in_ranges(std::vector<store::UidRange> ranges) {
  if (ranges.empty()) return nothing();
  Query out = query(Kind::uids);
  out.ranges = std::move(ranges);
  return out;
}

Query flag_query(imap::SystemFlag flag, const QueryContext& context) {
  if (flag == imap::SystemFlag::recent) {  // known to the session alone
    const store::Uid from = context.selected.view().recent_from();
    return from == 0 ? nothing() : in_ranges({{from, UINT32_MAX}});
  }
  Query out = query(Kind::has_flag);
  out.flag = static_cast<store::Flag>(flag);
  return out;
}

Query uid_query(const imap::SequenceSet& numbers, const QueryContext& context) {
  std::vector<store::UidRange> ranges;
  const imap::SequenceSet resolved = numbers.resolve(context.selected.view().uids().last());
  for (const auto& range : resolved.ranges()) {
    ranges.push_back({range.first, range.last});
  }
  return in_ranges(std::move(ranges));
}

// What lies between two neighbours without being in the session's numbering is left out of the
// result later.
Query sequence_query(const imap::SequenceSet& numbers, const QueryContext& context) {
  const store::UidMap& uids = context.selected.view().uids();
  std::vector<store::UidRange> ranges;
  const imap::SequenceSet resolved = numbers.resolve(static_cast<uint32_t>(uids.size()));
  for (const auto& range : resolved.ranges()) {
    if (range.first > uids.size()) break;
    const size_t last = std::min<size_t>(range.last, uids.size());
    ranges.push_back({uids.at(range.first), uids.at(last)});
  }
  return in_ranges(std::move(ranges));
}

std::optional<std::string> text_of(const SearchKey& key, const QueryContext& context) {
  if (context.charset.empty() || context.charset == "UTF-8") return key.text;
  if (!text::is_known_charset(context.charset)) return std::nullopt;
  return text::to_utf8(key.text, context.charset);
}

std::variant<Query, Answer> text_query(Kind kind, const SearchKey& key,
                                       const QueryContext& context) {
  std::optional<std::string> text = text_of(key, context);
  if (!text.has_value()) return Answer(answers::kBadCharset);
  Query out = query(kind);
  out.field = key.field;
  out.text = std::move(*text);
  return out;
}

Query keyword_query(const SearchKey& key) {
  Query out = query(Kind::has_keyword);
  out.text = key.text;
  return out;
}

// Recursion is bounded by kSearchDepthMax.
std::variant<Query, Answer> group_query(Kind kind, const SearchKey& key,
                                        const QueryContext& context) {
  Query out = query(kind);
  for (const SearchKey& child : key.children) {
    auto inner = query_of(child, context);
    if (std::holds_alternative<Answer>(inner)) return inner;
    out.children.push_back(std::move(std::get<Query>(inner)));
  }
  return out;
}

std::variant<Query, Answer> numbers_query(const SearchKey& key, const QueryContext& context) {
  if (key.numbers.is_saved_result()) return Answer(answers::kNoSavedResult);
  if (key.kind == SearchKind::uid) return uid_query(key.numbers, context);
  return sequence_query(key.numbers, context);
}

}  // namespace

std::variant<Query, Answer> query_of(const SearchKey& key, const QueryContext& context) {
  const Time day = key.date.midnight();
  switch (key.kind) {
    case SearchKind::all: return query(Kind::all);
    case SearchKind::all_of: return group_query(Kind::all_of, key, context);
    case SearchKind::any_of: return group_query(Kind::any_of, key, context);
    case SearchKind::none_of: return group_query(Kind::none_of, key, context);
    case SearchKind::has_flag: return flag_query(key.flag, context);
    case SearchKind::lacks_flag: return negated(flag_query(key.flag, context));
    case SearchKind::has_keyword: return keyword_query(key);
    case SearchKind::lacks_keyword: return negated(keyword_query(key));
    case SearchKind::sequence:
    case SearchKind::uid: return numbers_query(key, context);
    case SearchKind::header: return text_query(Kind::header, key, context);
    case SearchKind::body: return text_query(Kind::body, key, context);
    case SearchKind::text: return text_query(Kind::text, key, context);
    case SearchKind::before: return negated(from_time(Kind::received_from, day));
    case SearchKind::on: return on_day(Kind::received_from, key.date);
    case SearchKind::since: return from_time(Kind::received_from, day);
    case SearchKind::sent_before: return negated(from_time(Kind::sent_from, day));
    case SearchKind::sent_on: return on_day(Kind::sent_from, key.date);
    case SearchKind::sent_since: return from_time(Kind::sent_from, day);
    case SearchKind::larger: return numbered(Kind::larger, key.number);
    case SearchKind::smaller: return numbered(Kind::smaller, key.number);
    case SearchKind::older:  // at least so old: not after that moment
      return negated(from_time(Kind::received_from,
                               seconds_ago(context, key.number) + Duration::microseconds(1)));
    case SearchKind::younger:
      return from_time(Kind::received_from, seconds_ago(context, key.number));
    case SearchKind::modseq: return numbered(Kind::modseq_from, key.number);
  }
  return nothing();
}

}  // namespace ph::imap_server
