#include "obs/metrics.h"

#include <fmt/format.h>

#include <variant>

#include "base/check.h"

namespace ph::obs {
namespace {

constexpr std::string_view kOverflow = "posthorn_series_over_cap";
constexpr std::string_view kOverflowHelp =
    "What was counted for series beyond the cap on their number, all together.";

// A map's nodes do not move: what is handed out stays valid.
template <class T>
using Series = std::map<std::string, T, std::less<>>;

constexpr std::string_view type_of(const Series<Counter>&) { return "counter"; }
constexpr std::string_view type_of(const Series<Gauge>&) { return "gauge"; }
constexpr std::string_view type_of(const Series<DurationHistogram>&) { return "histogram"; }

// Help is one line; so is a label's value, which stands in quotes besides.
enum class Quotes : uint8_t { plain, escaped };
void append_escaped(std::string& out, std::string_view text, Quotes quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (c == '"' && quotes == Quotes::escaped)) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

void append_line(std::string& out, std::string_view name, std::string_view labels,
                 std::string_view value) {
  out += name;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

// Microseconds as seconds, exactly and without needless zeros: 0.00025, 300.
std::string seconds(uint64_t us) {
  std::string out = fmt::format("{}.{:06}", us / 1'000'000, us % 1'000'000);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

void append_series(std::string& out, std::string_view name, std::string_view labels,
                   const Counter& counter) {
  append_line(out, name, labels, std::to_string(counter.value()));
}

void append_series(std::string& out, std::string_view name, std::string_view labels,
                   const Gauge& gauge) {
  append_line(out, name, labels, std::to_string(gauge.value()));
}

void append_series(std::string& out, std::string_view name, std::string_view labels,
                   const DurationHistogram& histogram) {
  const DurationHistogram::Counts counts = histogram.counts();
  const std::string bucket = std::string(name) + "_bucket";
  const std::string before = labels.empty() ? std::string() : std::string(labels) + ",";
  uint64_t so_far = 0;
  for (size_t i = 0; i < DurationHistogram::kBuckets; ++i) {
    so_far += counts.in_bucket[i];
    const bool last = i == DurationHistogram::kBounds.size();
    const std::string bound =
        last ? "+Inf" : seconds(static_cast<uint64_t>(DurationHistogram::kBounds[i].us()));
    append_line(out, bucket, before + "le=\"" + bound + "\"", std::to_string(so_far));
  }
  append_line(out, std::string(name) + "_sum", labels, seconds(counts.sum_us));
  append_line(out, std::string(name) + "_count", labels, std::to_string(so_far));
}

int64_t value_of(const Counter& counter) { return static_cast<int64_t>(counter.value()); }
int64_t value_of(const Gauge& gauge) { return gauge.value(); }
int64_t value_of(const DurationHistogram& histogram) {
  return static_cast<int64_t>(histogram.counts().total());
}

}  // namespace

std::string labels(std::initializer_list<Label> all) {
  std::string out;
  for (const Label& label : all) {
    if (!out.empty()) out += ',';
    out += label.name;
    out += "=\"";
    append_escaped(out, label.value, Quotes::escaped);
    out += '"';
  }
  return out;
}

struct Metrics::Family {
  std::string help;
  // Empty until the first series says which kind it is.
  std::variant<std::monostate, Series<Counter>, Series<Gauge>, Series<DurationHistogram>> series;
};

Metrics::Metrics(size_t series_max) : series_max_(series_max) {
  describe(kOverflow, kOverflowHelp);
}
Metrics::~Metrics() = default;

Metrics::Family& Metrics::family(std::string_view name) {
  auto at = families_.find(name);
  if (at == families_.end()) {
    at = families_.emplace(std::string(name), std::make_unique<Family>()).first;
  }
  return *at->second;
}

void Metrics::describe(std::string_view name, std::string_view help) {
  const std::lock_guard lock(mutex_);
  family(name).help = help;
}

template <class T>
T& Metrics::series(std::string_view name, std::string_view labels) {
  const std::lock_guard lock(mutex_);
  const auto find = [labels](Family& in) -> T* {
    auto* all = std::get_if<Series<T>>(&in.series);
    PH_CHECK(all != nullptr || std::holds_alternative<std::monostate>(in.series));
    if (all == nullptr) return nullptr;
    const auto at = all->find(labels);
    return at == all->end() ? nullptr : &at->second;
  };
  if (const auto known = families_.find(name); known != families_.end()) {
    if (T* const there = find(*known->second); there != nullptr) return *there;
  }
  std::string overflow;
  if (series_ >= series_max_) {  // the kinds of the program are few: each has an overflow
    overflow = std::string(kOverflow);
    if constexpr (!std::is_same_v<T, Counter>) {
      overflow += std::is_same_v<T, Gauge> ? "_gauge" : "_seconds";
    }
    name = overflow;
    labels = {};
  } else {
    ++series_;
  }
  Family& in = family(name);
  if (std::holds_alternative<std::monostate>(in.series)) in.series.template emplace<Series<T>>();
  return std::get<Series<T>>(in.series).try_emplace(std::string(labels)).first->second;
}

Counter& Metrics::counter(std::string_view name, std::string_view labels) {
  return series<Counter>(name, labels);
}

Gauge& Metrics::gauge(std::string_view name, std::string_view labels) {
  return series<Gauge>(name, labels);
}

DurationHistogram& Metrics::histogram(std::string_view name, std::string_view labels) {
  return series<DurationHistogram>(name, labels);
}

std::string Metrics::exposition() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  const auto append = [&out](std::string_view name, const Family& family, const auto& all) {
    if (!family.help.empty()) {
      out.append("# HELP ").append(name).append(" ");
      append_escaped(out, family.help, Quotes::plain);
      out += '\n';
    }
    out.append("# TYPE ").append(name).append(" ").append(type_of(all)).append("\n");
    for (const auto& [labels, one] : all) append_series(out, name, labels, one);
  };
  for (const auto& [name, family] : families_) {
    if (const auto* counters = std::get_if<Series<Counter>>(&family->series)) {
      append(name, *family, *counters);
    } else if (const auto* gauges = std::get_if<Series<Gauge>>(&family->series)) {
      append(name, *family, *gauges);
    } else if (const auto* histograms = std::get_if<Series<DurationHistogram>>(&family->series)) {
      append(name, *family, *histograms);
    }
  }
  return out;
}

int64_t Metrics::value(std::string_view name, std::string_view labels) const {
  const std::lock_guard lock(mutex_);
  const auto family = families_.find(name);
  if (family == families_.end()) return 0;
  const auto look = [labels](const auto& all) -> int64_t {
    if constexpr (std::is_same_v<std::decay_t<decltype(all)>, std::monostate>) {
      return 0;
    } else {
      const auto at = all.find(labels);
      return at == all.end() ? 0 : value_of(at->second);
    }
  };
  return std::visit(look, family->second->series);
}

}  // namespace ph::obs
