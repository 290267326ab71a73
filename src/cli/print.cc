#include "cli/print.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

namespace ph::cli {
namespace {

using Json = nlohmann::json;
using Row = std::vector<std::string>;

// A table with columns as wide as their widest cell; the last one is not padded.
std::string table(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - row[i].size() + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string text_of(const Json& object, const char* name) {
  const auto at = object.find(name);
  if (at == object.end() || at->is_null()) return "-";
  return at->is_string() ? at->get<std::string>() : at->dump();
}

std::string line(const char* label, const std::string& value) {
  std::string out = "  ";
  out += label;
  out.append(out.size() < 18 ? 18 - out.size() : 1, ' ');
  return out + value + "\n";
}

std::string history_text(const Json& reply) {
  std::string out = "    " + text_of(reply, "when") + "  " + text_of(reply, "host");
  const std::string stage = text_of(reply, "stage");
  if (stage != "-") out += "  at " + stage;
  return out + ": " + text_of(reply, "text") + "\n";
}

std::string recipient_text(const Json& r) {
  std::string out = "Recipient " + text_of(r, "recipient") + "\n";
  out += line("state", text_of(r, "state") + " (" + text_of(r, "state_text") + ")");
  out += line("reason", text_of(r, "reason") + ": " + text_of(r, "reason_text"));
  out += line("since", text_of(r, "since"));
  if (r.contains("next_action_at")) {
    out += line("next action", text_of(r, "next_action_at") + ", " + text_of(r, "next_action"));
  }
  out += line("expires", text_of(r, "expires_at"));
  out += line("attempts", text_of(r, "attempts"));
  if (r.contains("lane")) out += line("next hop", text_of(r, "lane"));
  if (r.value("priority", "normal") != "normal") out += line("priority", text_of(r, "priority"));
  if (r.contains("notice_at")) out += line("delay notice", text_of(r, "notice_at"));
  if (r.value("delay_told", false)) out += line("delay notice", "the sender has been told");
  if (r.contains("not_before")) out += line("not before", text_of(r, "not_before"));
  if (r.contains("deliver_by")) {
    out += line("deliver by", text_of(r, "deliver_by") + ", else " + text_of(r, "deliver_by_mode"));
  }
  if (r.contains("held_until")) out += line("held until", text_of(r, "held_until"));
  if (r.contains("held_by")) out += line("held by", text_of(r, "held_by"));
  if (r.contains("via")) out += line("redirected via", text_of(r, "via"));
  if (const auto history = r.find("history"); history != r.end() && !history->empty()) {
    out += "  history\n";
    for (const Json& reply : *history) out += history_text(reply);
  }
  return out;
}

}  // namespace

std::string print_json(const Json& result) {
  return result.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string print_text(const Json& result) {
  return result.is_string() ? result.get<std::string>() : print_json(result);
}

std::string print_account(const Json& a) {
  const bool usable = a.value("has_password", false);
  return text_of(a, "address") + (usable ? "\n" : "  (no password: it cannot log in)\n");
}

std::string print_accounts(const Json& accounts) {
  std::vector<Row> rows{{"ADDRESS", "CREATED", "LOGIN"}};
  for (const Json& a : accounts) {
    rows.push_back({text_of(a, "address"), text_of(a, "created"),
                    a.value("has_password", false) ? "yes" : "no"});
  }
  return table(rows);
}

std::string print_removed(const Json& result) {
  return "removed " + text_of(result, "removed") + "\n";
}

std::string print_setting(const Json& s) {
  std::string out = text_of(s, "name") + " = " + text_of(s, "value") + "\n";
  out += line("default", text_of(s, "default"));
  if (!text_of(s, "bounds").empty()) out += line("bounds", text_of(s, "bounds"));
  out += line("takes effect", text_of(s, "effect"));
  return out + line("", text_of(s, "doc"));
}

std::string print_settings(const Json& settings) {
  std::vector<Row> rows{{"SETTING", "VALUE", "", "WHAT IT IS"}};
  for (const Json& s : settings) {
    rows.push_back({text_of(s, "name"), text_of(s, "value"),
                    s.value("is_default", true) ? "" : "(changed)", text_of(s, "doc")});
  }
  return table(rows);
}

std::string print_queue(const Json& result) {
  const Json& items = result.at("rows");
  if (items.empty()) return "The queue is empty.\n";
  std::vector<Row> rows{
      {"ID", "STATE", "REASON", "NEXT ACTION", "ATTEMPTS", "SENDER", "RECIPIENT"}};
  for (const Json& r : items) {
    rows.push_back({text_of(r, "id"), text_of(r, "state"), text_of(r, "reason"),
                    text_of(r, "next_action_at"), text_of(r, "attempts"), text_of(r, "sender"),
                    text_of(r, "recipient")});
  }
  std::string out = table(rows);
  if (result.value("more", false)) out += "(more: use --limit or a filter)\n";
  return out;
}

std::string print_why(const Json& m) {
  std::string out = "Message " + text_of(m, "id") + "\n";
  out += line("from", text_of(m, "sender"));
  out += line("message id", text_of(m, "message_id"));
  out += line("size", text_of(m, "size") + " octets");
  out += line("accepted", text_of(m, "received_at") + " by " + text_of(m, "origin"));
  for (const Json& r : m.at("recipients")) out += recipient_text(r);
  return out;
}

std::string print_counts(const Json& counts) {
  std::vector<Row> rows{{"STATE", "REASON", "RECIPIENTS"}};
  for (const Json& c : counts) {
    rows.push_back({text_of(c, "state"), text_of(c, "reason"), text_of(c, "count")});
  }
  return rows.size() == 1 ? "The queue is empty.\n" : table(rows);
}

std::string print_changed(const Json& result) {
  std::string out;
  for (const Json& r : result.at("recipients")) {
    out += text_of(result, "id") + " " + text_of(r, "recipient") + ": " + text_of(r, "state") +
           ", " + text_of(r, "reason") + "\n";
  }
  return out.empty() ? "Nothing is left of " + text_of(result, "id") + ".\n" : out;
}

std::string print_bulk(const Json& r) {
  const bool dry = r.value("dry_run", false);
  std::string out = text_of(r, "matched") + " recipients of " + text_of(r, "messages") +
                    " messages fit; " + text_of(r, "changed") +
                    (dry ? " would be changed" : " changed") + ", " + text_of(r, "refused") +
                    " refused";
  if (r.value("refused", uint64_t{0}) > 0) out += " (" + text_of(r, "refusal") + ")";
  out += ".\n";
  if (r.at("after").empty()) return out;
  return out + (dry ? "They are now:\n" : "Read back:\n") + print_counts(r.at("after"));
}

std::string print_trace(const Json& result) {
  std::string out;
  for (const Json& m : result.at("messages")) {
    out += "Message " + text_of(m, "id") + "  " + text_of(m, "message_id") + "\n";
    std::vector<Row> rows;
    for (const Json& e : m.at("events")) {
      const std::string whose = text_of(e, "recipient");
      rows.push_back({"  " + text_of(e, "when"), text_of(e, "what"), whose == "-" ? "" : whose,
                      text_of(e, "text")});
    }
    out += table(rows);
  }
  return out;
}

std::string print_lane(const Json& l) {
  std::string out = "Lane " + text_of(l, "lane") + "\n" + line("health", text_of(l, "health"));
  if (l.contains("suspended_by")) {
    out += line("suspended by", text_of(l, "suspended_by"));
    out += line("until", text_of(l, "suspended_until"));
  }
  return out;
}

std::string print_lanes(const Json& lanes) {
  std::vector<Row> rows{
      {"LANE", "HEALTH", "WAITING", "CONNECTIONS", "A SECOND", "NEXT ACTION", "FAULT"}};
  for (const Json& l : lanes) {
    char rate[32];
    std::snprintf(rate, sizeof rate, "%.1f", l.value("rate", 0.0));
    const std::string why = l.contains("suspended_by")
                                ? "suspended by " + text_of(l, "suspended_by")
                                : text_of(l, "fault");
    rows.push_back({text_of(l, "lane"), text_of(l, "health"), text_of(l, "waiting"),
                    text_of(l, "connections") + "/" + text_of(l, "connections_allowed"), rate,
                    text_of(l, "next_action_at"), why});
  }
  return rows.size() == 1 ? "No lane is in use.\n" : table(rows);
}

std::string print_audit(const Json& entries) {
  std::vector<Row> rows{{"WHEN", "WHAT", "ABOUT", "ROWS", "BY"}};
  for (const Json& e : entries) {
    rows.push_back({text_of(e, "when"), text_of(e, "what"), text_of(e, "subject"),
                    text_of(e, "rows"), text_of(e, "by")});
  }
  return rows.size() == 1 ? "Nothing was done.\n" : table(rows);
}

std::string print_exported(const Json& result) {
  std::string out;
  for (const Json& e : result.at("exported")) {
    out += text_of(e, "file") + "  " + text_of(e, "size") + " octets\n";
  }
  return out.empty() ? "Nothing fits.\n" : out;
}

std::string print_imported(const Json& result) {
  std::string out;
  for (const Json& m : result.at("imported")) {
    out += text_of(m, "file") + ": " + text_of(m, "id") +
           (m.value("known_already", false) ? " (was imported before)\n" : "\n");
  }
  return out.empty() ? "No message was found.\n" : out;
}

std::string print_tasks(const Json& tasks) {
  std::vector<Row> rows{{"LOOP", "TASK", "WAITS FOR", "SINCE", "UNTIL", "AT"}};
  for (const Json& t : tasks) {
    rows.push_back({text_of(t, "loop"), text_of(t, "name"), text_of(t, "waits_for"),
                    text_of(t, "since"), text_of(t, "until"), text_of(t, "place")});
  }
  return table(rows);
}

std::string print_doctor(const Json& result) {
  std::string out;
  for (const Json& finding : result.at("findings")) out += "- " + text_of(finding, "text") + "\n";
  if (out.empty()) {
    out = "No findings: every message has a state, a reason and a next action time.\n";
  }
  const auto remarks = result.find("remarks");
  if (remarks != result.end() && !remarks->empty()) {
    out += "Paused on purpose:\n";
    for (const Json& remark : *remarks) out += "  " + remark.get<std::string>() + "\n";
  }
  const auto pressure = result.find("pressure");
  if (pressure != result.end() && !pressure->empty()) {
    std::vector<Row> rows{{"RESOURCE", "LEVEL", "SINCE", "FIGURE"}};
    for (const Json& p : *pressure) {
      rows.push_back(
          {text_of(p, "resource"), text_of(p, "level"), text_of(p, "since"), text_of(p, "figure")});
    }
    out += "Back pressure:\n" + table(rows);
  }
  return out;
}

}  // namespace ph::cli
