// For tests: reads the text exposition format 0.0.4 as strictly as its specification allows.
#pragma once

#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace ph::obs {

class ExpositionReader {
 public:
  // "" or the first thing that is wrong, with its line.
  std::string problem_with(std::string_view text) {
    if (text.empty()) return "nothing is there";
    if (!text.ends_with('\n')) return "the last line has no end";
    text.remove_suffix(1);
    for (const std::string_view line : split(text, '\n')) {
      std::string problem = line.starts_with('#') ? comment(line) : sample(line);
      if (!problem.empty()) return problem + ": " + std::string(line);
    }
    return end_family();
  }
  double value(const std::string& series) const {
    const auto at = values_.find(series);
    return at == values_.end() ? std::nan("") : at->second;
  }

 private:
  static bool is_name(std::string_view name, std::string_view more) {
    if (name.empty() || is_digit(name[0])) return false;
    for (const char c : name) {
      if (!is_alpha(c) && !is_digit(c) && c != '_' && !more.contains(c)) return false;
    }
    return true;
  }

  std::string comment(std::string_view line) {
    const bool help = line.starts_with("# HELP ");
    if (!help && !line.starts_with("# TYPE ")) return "neither HELP nor TYPE";
    line.remove_prefix(7);
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return "no text behind the name";
    const std::string name(line.substr(0, space));
    const std::string_view rest = line.substr(space + 1);
    if (!is_name(name, ":")) return "not a metric's name";
    if (help) {
      std::string problem = end_family();
      if (!problem.empty()) return problem;
      helped_ = name;
      for (size_t i = 0; i < rest.size(); ++i) {
        if (rest[i] != '\\') continue;
        if (i + 1 == rest.size() || (rest[i + 1] != 'n' && rest[i + 1] != '\\')) return "an escape";
        ++i;
      }
      return rest.empty() ? "help without words" : "";
    }
    if (helped_ != name) {
      std::string problem = end_family();
      if (!problem.empty()) return problem;
    }
    helped_.clear();
    if (rest != "counter" && rest != "gauge" && rest != "histogram") return "not a type";
    if (!types_.emplace(name, rest).second) return "a second TYPE of one name";
    family_ = name;
    return {};
  }

  std::string sample(std::string_view line) {
    size_t at = line.find_first_of("{ ");
    if (at == std::string_view::npos) return "no value";
    const std::string name(line.substr(0, at));
    std::string le;
    std::string others;
    std::string problem = labels(line, at, le, others);
    if (!problem.empty()) return problem;
    if (at >= line.size() || line[at] != ' ') return "no blank before the value";
    const std::string text(line.substr(at + 1));
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || text.contains(' ')) return "not a value";
    if (!values_.emplace(line.substr(0, at), number).second) return "a series a second time";
    return fits_family(name, le, others, number);
  }

  std::string labels(std::string_view line, size_t& at, std::string& le, std::string& others) {
    if (line[at] != '{') return {};
    std::set<std::string> seen;
    do {
      ++at;
      const size_t equals = line.find('=', at);
      if (equals == std::string_view::npos) return "a label without a value";
      const std::string name(line.substr(at, equals - at));
      if (!is_name(name, "")) return "not a label's name";
      if (!seen.insert(name).second) return "a label twice";
      at = equals + 1;
      if (at >= line.size() || line[at] != '"') return "a label's value without quotes";
      std::string value;
      for (++at; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] == '\\') {
          ++at;
          if (at >= line.size() || !std::string_view("\\\"n").contains(line[at]))
            return "an escape";
        }
        value += line[at];
      }
      if (at >= line.size()) return "a label's value without an end";
      ++at;
      if (name == "le") {
        le = value;
      } else {
        others += name + "=" + value + ";";
      }
    } while (at < line.size() && line[at] == ',');
    if (at >= line.size() || line[at] != '}') return "labels without an end";
    ++at;
    return {};
  }

  std::string fits_family(const std::string& name, const std::string& le, const std::string& others,
                          double number) {
    if (family_.empty()) return "a series without TYPE";
    const std::string& type = types_[family_];
    if (type != "histogram") {
      if (name != family_) return "a series among those of " + family_;
      if (type == "counter" && number < 0) return "a counter below zero";
      return {};
    }
    Ladder& ladder = ladders_[others];
    if (name == family_ + "_bucket") {
      const double bound = le == "+Inf" ? INFINITY : std::strtod(le.c_str(), nullptr);
      if (le.empty()) return "a bucket without le";
      if (ladder.bound && bound <= *ladder.bound) return "buckets out of order";
      if (number < ladder.count) return "buckets that fall";
      ladder.bound = bound;
      ladder.count = number;
    } else if (name == family_ + "_sum") {
      ladder.sum = true;
    } else if (name == family_ + "_count") {
      ladder.total = number;
    } else {
      return "a series among those of " + family_;
    }
    return {};
  }

  std::string end_family() {
    for (const auto& [key, ladder] : ladders_) {
      if (!ladder.bound || !std::isinf(*ladder.bound)) return family_ + " has no +Inf";
      if (!ladder.sum || !ladder.total) return family_ + " has no sum or no count";
      if (*ladder.total != ladder.count) return family_ + ": count and +Inf differ";
    }
    ladders_.clear();
    if (!helped_.empty()) return helped_ + " has HELP and no TYPE";
    return {};
  }

  struct Ladder {
    std::optional<double> bound;
    double count = 0;
    bool sum = false;
    std::optional<double> total;
  };
  std::string family_;
  std::string helped_;
  std::map<std::string, std::string> types_;
  std::map<std::string, Ladder> ladders_;  // of family_, by its other labels
  std::map<std::string, double, std::less<>> values_;
};

inline std::string exposition_problem(std::string_view text) {
  return ExpositionReader().problem_with(text);
}

}  // namespace ph::obs
