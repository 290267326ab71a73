#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "admin/control.h"
#include "base/text.h"
#include "cli/print.h"

namespace ph::cli {

// CLI11 writes into members of this while it parses; a callback then makes the request of them.
struct Commands::Parts {
  Options& options;
  std::optional<Chosen> chosen;
  std::string first;
  std::string second;
  std::string state;
  std::string sender;
  std::string recipient;
  std::string lane;
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

  void add_queue_changes(CLI::App& queue) {
    const auto change = [&](const char* name, const char* doc, const char* full_verb) {
      CLI::App* command = verb(queue, name, doc, [this, full_verb] {
        return Chosen{full_verb, {{"id", first}, {"reason", second}}, print_changed};
      });
      command->add_option("id", first, "A queue id")->required();
      command->add_option("--reason", second, "Why, for the audit log");
    };
    change("hold", "Hold a message until released (or its expiry)", "queue.hold");
    change("release", "Release a held message", "queue.release");
    change("retry", "Try a message now", "queue.retry");
    change("remove", "Remove a message without a report", "queue.remove");
  }

  void add_queue(CLI::App& app) {
    CLI::App* queue = app.add_subcommand("queue", "Messages on their way");
    queue->require_subcommand(1);
    CLI::App* list = verb(*queue, "list", "List waiting messages", [this] {
      Json args{{"limit", limit}};
      for (const auto& [name, value] : {std::pair{"state", &state},
                                        {"sender", &sender},
                                        {"recipient", &recipient},
                                        {"lane", &lane}}) {
        if (!value->empty()) args[name] = *value;
      }
      return Chosen{"queue.list", std::move(args), print_queue};
    });
    list->add_option("--state", state);
    list->add_option("--sender", sender);
    list->add_option("--recipient", recipient);
    list->add_option("--lane", lane, "A next hop, as queue list shows it");
    list->add_option("--limit", limit);
    verb(*queue, "show", "One message with its history",
         [this] { return Chosen{"queue.why", {{"message", first}}, print_why}; })
        ->add_option("id", first)
        ->required();
    verb(*queue, "counts", "Messages by state and reason",
         [] { return Chosen{"queue.counts", Json::object(), print_counts}; });
    add_queue_changes(*queue);
    verb(app, "why", "Where a message is, why, and what happens next",
         [this] { return Chosen{"queue.why", {{"message", first}}, print_why}; })
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
  admin::Request request{socket_path(options.data_folder), chosen.verb, options.who};
  const Result<Json> result = co_await admin::call(runtime, loop, std::move(request), chosen.args,
                                                   loop.in(admin::kCallMax));
  if (!result.has_value()) {
    std::fprintf(stderr, "posthorn: %s\n", result.error().context().c_str());
    co_return result.error().is(admin::kNotRunning) ? 3 : 1;
  }
  const std::string text = options.json ? print_json(*result) : chosen.print(*result);
  std::fwrite(text.data(), 1, text.size(), stdout);
  co_return 0;
}

std::string socket_path(const std::string& data_folder) { return data_folder + "/control.sock"; }

}  // namespace ph::cli
