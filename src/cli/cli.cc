#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

#include "admin/control.h"
#include "base/text.h"
#include "cli/flows.h"
#include "cli/print.h"

namespace ph::cli {

// CLI11 writes into members of this while it parses; a callback then makes the request of them.
struct Commands::Parts {
  Options& options;
  std::optional<Chosen> chosen;
  std::string first;
  std::string second;
  std::string sender;
  std::string to;
  std::string via;
  std::string length;
  std::vector<std::string> paths;
  std::map<std::string, std::string> filter;  // by argument
  bool all = false;
  bool dry_run = false;
  bool notify = false;
  uint64_t limit = 50;

  explicit Parts(Options& o) : options(o) {}

  CLI::App* verb(CLI::App& parent, const char* name, const char* doc,
                 std::function<Chosen()> make) {
    CLI::App* command = parent.add_subcommand(name, doc);
    command->callback([this, make = std::move(make)] { chosen = make(); });
    return command;
  }

  void add_accounts(CLI::App& app) {
    CLI::App* account = app.add_subcommand("account", "Mailboxes and their owners");
    account->require_subcommand(1);
    verb(*account, "add", "Add an account; asks for its password",
         [this] { return Chosen{"account.add", {{"address", first}}, print_account, true}; })
        ->add_option("address", first, "user@domain")
        ->required();
    verb(*account, "passwd", "Change an account's password",
         [this] { return Chosen{"account.passwd", {{"address", first}}, print_account, true}; })
        ->add_option("address", first, "user@domain")
        ->required();
    verb(*account, "remove", "Remove an account (its mailbox stays on disk)",
         [this] { return Chosen{"account.remove", {{"address", first}}, print_removed}; })
        ->add_option("address", first, "user@domain")
        ->required();
    verb(*account, "list", "List the accounts",
         [] { return Chosen{"account.list", Json::object(), print_accounts}; });
    for (CLI::App* command : account->get_subcommands({})) {
      command->add_option("--password-file", options.password_file,
                          "Read the password from a file");
    }
  }

  void add_names(CLI::App& app) {
    CLI::App* alias = app.add_subcommand("alias", "Addresses that stand for others");
    alias->require_subcommand(1);
    CLI::App* add = verb(*alias, "add", "Add an alias", [this] {
      return Chosen{"alias.add", {{"address", first}, {"targets", second}}, print_json};
    });
    add->add_option("address", first, "user@domain")->required();
    add->add_option("targets", second, "Addresses, separated by commas")->required();
    verb(*alias, "remove", "Remove an alias",
         [this] { return Chosen{"alias.remove", {{"address", first}}, print_removed}; })
        ->add_option("address", first, "user@domain")
        ->required();
    verb(*alias, "list", "List the aliases",
         [] { return Chosen{"alias.list", Json::object(), print_json}; });
    CLI::App* domain = app.add_subcommand("domain", "The domains this server is for");
    domain->require_subcommand(1);
    verb(*domain, "add", "Add a domain",
         [this] { return Chosen{"domain.add", {{"domain", first}}, print_json}; })
        ->add_option("domain", first)
        ->required();
    verb(*domain, "list", "List the domains",
         [] { return Chosen{"domain.list", Json::object(), print_json}; });
  }

  void add_settings(CLI::App& app) {
    CLI::App* set = verb(app, "set", "Change a setting, at once", [this] {
      return Chosen{"setting.set", {{"name", first}, {"value", second}}, print_setting};
    });
    set->add_option("setting", first)->required();
    set->add_option("value", second)->required();
    verb(app, "get", "Show a setting, or all whose name starts so", [this] {
      const bool one = first.find('.') != std::string::npos && first.back() != '.';
      if (one) return Chosen{"setting.get", {{"name", first}}, print_setting};
      return Chosen{"setting.list", {{"prefix", first}}, print_settings};
    })->add_option("setting", first, "A name such as queue.expiry, or a prefix such as queue.");
    verb(app, "reset", "Put a setting back to its default",
         [this] { return Chosen{"setting.reset", {{"name", first}}, print_setting}; })
        ->add_option("setting", first)
        ->required();
  }

  // What `queue list` and the commands on many messages select by.
  // The commands' own --reason goes to the audit log; theirs of the rows is --because.
  enum class Because : uint8_t { is_reason, is_because };
  void add_filter(CLI::App& command, Because because) {
    for (const auto& [option, doc] : {std::pair{"state", "A state, as queue list shows it"},
                                      {"reason", "A reason, as queue list shows it"},
                                      {"lane", "A next hop, as queue list shows it"},
                                      {"sender", "A part of the sender; <> for none"},
                                      {"recipient", "A part of the recipient"},
                                      {"subject", "A part of the subject"},
                                      {"message-id", "The Message-ID"},
                                      {"older", "Accepted longer ago than, e.g. 4h"},
                                      {"younger", "Accepted less long ago than"},
                                      {"larger", "Larger than, in octets or e.g. 5MiB"},
                                      {"smaller", "Smaller than"},
                                      {"priority", "low, normal or high"}}) {
      std::string name(option);
      std::ranges::replace(name, '-', '_');
      const bool renamed = name == "reason" && because == Because::is_because;
      if (renamed) name = "because";
      const std::string flag = renamed ? "because" : std::string(option);
      command.add_option("--" + flag, filter[name], doc);
    }
  }
  Json filter_args() const {
    Json out = Json::object();
    for (const auto& [name, value] : filter) {
      if (!value.empty()) out[name] = value;
    }
    return out;
  }

  Chosen changed(const char* full_verb) const {
    Json args{{"reason", second}};
    if (!length.empty()) args["for"] = length;
    if (notify) args["notify"] = "yes";
    if (!to.empty()) args["to"] = to;
    if (!via.empty()) args["via"] = via;
    Json selected = filter_args();
    if (!first.empty()) {
      if (selected.contains("recipient")) args["recipient"] = selected["recipient"];
      selected.erase("recipient");
      if (!selected.empty() || dry_run) {
        throw CLI::ValidationError("an id or a filter, not both");
      }
      args["id"] = first;
      return {full_verb, std::move(args), print_changed};
    }
    if (selected.empty() && !all) throw CLI::ValidationError("name a message, a filter, or --all");
    args.update(selected);
    args["all"] = "yes";
    if (dry_run) args["dry_run"] = "yes";
    return {full_verb, std::move(args), print_bulk, false, run_bulk};
  }

  void add_queue_changes(CLI::App& queue) {
    const auto change = [&](const char* name, const char* doc, const char* full_verb) {
      CLI::App* command = verb(queue, name, doc, [this, full_verb] { return changed(full_verb); });
      command->add_option("id", first,
                          "A queue id or a Message-ID; absent: all that fit the filter");
      command->add_option("--reason", second, "Why, for the audit log");
      command->add_flag("--all", all, "Everything that waits");
      command->add_flag("--dry-run", dry_run, "Only count what would be changed");
      add_filter(*command, Because::is_because);
      return command;
    };
    change("hold", "Keep messages back for a while", "queue.hold")
        ->add_option("--for", length, "How long, e.g. 2h (queue.hold unless given)");
    change("release", "Let held messages go", "queue.release");
    change("retry", "Try messages now", "queue.retry");
    change("remove", "Take messages out", "queue.remove")
        ->add_flag("--notify", notify, "Tell the sender");
    CLI::App* redirect =
        change("redirect", "Give messages another recipient or next hop", "queue.redirect");
    redirect->add_option("--to", to, "Another address");
    redirect->add_option("--via", via, "A next hop, host:port; \"router\": as usual again");
    verb(queue, "flush", "Try everything that waits now", [this] {
      Json args = filter_args();
      args["all"] = "yes";
      args["reason"] = second;
      return Chosen{"queue.retry", std::move(args), print_bulk, false, run_flush};
    });
  }

  void add_transfer(CLI::App& queue) {
    CLI::App* out = verb(queue, "export", "Write messages to files, as they are", [this] {
      const Json args{{"id", first}, {"folder", second}, {"filter", filter_args()}};
      if (first.empty() && args["filter"].empty() && !all) {
        throw CLI::ValidationError("name a message, a filter, or --all");
      }
      return Chosen{"queue.export", args, print_exported, false, run_export};
    });
    out->add_option("id", first, "A queue id; absent: all that fit the filter");
    out->add_option("--to", second, "The folder")->required();
    out->add_flag("--all", all, "Everything that waits");
    add_filter(*out, Because::is_reason);
    CLI::App* in = verb(queue, "import", "Take exported or other messages into the queue", [this] {
      Json args{{"paths", paths}};
      if (!sender.empty()) args["from"] = sender;
      if (!to.empty()) args["to"] = to;
      return Chosen{"queue.import", std::move(args), print_imported, false, run_import};
    });
    in->add_option("path", paths, "Folders of exports, or files")->required();
    in->add_option("--from", sender, "The sender of files without an envelope; <> for none");
    in->add_option("--to", to, "Their recipients, separated by commas");
  }

  void add_lanes(CLI::App& queue) {
    verb(queue, "lanes", "Next hops: health, connections, faults",
         [] { return Chosen{"queue.lanes", Json::object(), print_lanes}; });
    CLI::App* suspend =
        verb(queue, "suspend-lane", "Send nothing to a next hop for a while", [this] {
          Json args{{"lane", first}, {"reason", second}};
          if (!length.empty()) args["for"] = length;
          return Chosen{"queue.suspend", std::move(args), print_lane};
        });
    suspend->add_option("lane", first, "As queue list shows it")->required();
    suspend->add_option("--for", length, "How long, e.g. 2h (queue.hold unless given)");
    suspend->add_option("--reason", second, "Why, for the audit log");
    CLI::App* resume = verb(queue, "resume-lane", "End a suspension", [this] {
      return Chosen{"queue.resume", {{"lane", first}, {"reason", second}}, print_lane};
    });
    resume->add_option("lane", first)->required();
    resume->add_option("--reason", second, "Why, for the audit log");
    verb(queue, "audit", "What administrators did, newest first", [this] {
      return Chosen{"queue.audit", {{"limit", limit}}, print_audit};
    })->add_option("--limit", limit);
  }

  void add_queue(CLI::App& app) {
    CLI::App* queue = app.add_subcommand("queue", "Messages on their way");
    queue->require_subcommand(1);
    CLI::App* list = verb(*queue, "list", "List waiting messages", [this] {
      Json args = filter_args();
      args["limit"] = limit;
      if (all) args["ended"] = "yes";
      return Chosen{"queue.list", std::move(args), print_queue};
    });
    add_filter(*list, Because::is_reason);
    list->add_flag("--ended", all, "Also those that have ended and are still known");
    list->add_option("--limit", limit);
    verb(*queue, "show", "One message with its history",
         [this] { return Chosen{"queue.why", {{"message", first}}, print_why}; })
        ->add_option("id", first)
        ->required();
    verb(*queue, "counts", "Messages by state and reason",
         [] { return Chosen{"queue.counts", Json::object(), print_counts}; });
    add_queue_changes(*queue);
    add_transfer(*queue);
    add_lanes(*queue);
    verb(app, "why", "Where a message is, why, and what happens next",
         [this] { return Chosen{"queue.why", {{"message", first}}, print_why}; })
        ->add_option("message", first, "A queue id or a Message-ID")
        ->required();
    verb(app, "trace", "The whole way of a message, by time",
         [this] { return Chosen{"queue.trace", {{"message", first}}, print_trace}; })
        ->add_option("message", first, "A queue id or a Message-ID")
        ->required();
  }

  void add_inspection(CLI::App& app) {
    verb(app, "tasks", "Who waits for what, until when",
         [] { return Chosen{"tasks.list", Json::object(), print_tasks}; });
    verb(app, "metrics", "Counters and gauges",
         [] { return Chosen{"metrics.show", Json::object(), print_text}; });
    verb(app, "doctor", "Run the auditor and look for contradictions",
         [] { return Chosen{"doctor.run", Json::object(), print_doctor}; });
  }
};

Commands::Commands(CLI::App& app, Options& options) : parts_(std::make_unique<Parts>(options)) {
  parts_->add_accounts(app);
  parts_->add_names(app);
  parts_->add_settings(app);
  parts_->add_queue(app);
  parts_->add_inspection(app);
}
Commands::~Commands() = default;

std::optional<Chosen> Commands::chosen() const { return parts_->chosen; }

rt::Task<int> run(rt::Runtime& runtime, rt::Loop& loop, Options options, Chosen chosen) {
  if (chosen.asks_password) {
    Result<std::string> password = read_password(runtime.files(), options.password_file);
    if (!password.has_value()) {
      std::fprintf(stderr, "posthorn: %s\n", password.error().context().c_str());
      co_return 1;
    }
    chosen.args["password"] = std::move(*password);
  }
  Link link(runtime, loop, options);
  const Flow flow = chosen.flow;
  const Printer print = chosen.print;
  Result<Json> result = fail(admin::kNotRunning);
  if (flow != nullptr) {
    result = co_await flow(link, std::move(chosen));
  } else {
    result = co_await link.ask(chosen.verb, std::move(chosen.args));
  }
  if (!result.has_value()) {
    std::fprintf(stderr, "posthorn: %s\n", result.error().context().c_str());
    co_return result.error().is(admin::kNotRunning) ? 3 : 1;
  }
  const std::string text = options.json ? print_json(*result) : print(*result);
  std::fwrite(text.data(), 1, text.size(), stdout);
  co_return 0;
}

std::string socket_path(const std::string& data_folder) { return data_folder + "/control.sock"; }

}  // namespace ph::cli
