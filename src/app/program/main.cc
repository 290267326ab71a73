#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "app/program/commands.h"
#include "cli/cli.h"

// posthorn: one program with subcommands. What needs the data folder itself (init, serve, demo) or
// the simulator (scenario) is in commands.h; everything else asks a running server (cli/).

namespace {

constexpr const char* kAbout =
    "Posthorn, a mail server in which nothing gets stuck.\n"
    "Every message has a state, a reason and a next action time; ask with `posthorn why`.";

struct Arguments {
  ph::cli::Options options;
  ph::app::InitArguments init;
  std::string scenario;
};

// --data and --json may stand in front of the subcommands or behind them.
void let_options_stand_anywhere(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    command->fallthrough();
    let_options_stand_anywhere(*command);
  }
}

void declare_own(CLI::App& app, Arguments& a) {
  CLI::App* init = app.add_subcommand("init", "Make a data folder, keys and the first account");
  init->add_option("--domain", a.init.domain, "The first mail domain")->required();
  init->add_option("--admin", a.init.admin, "Local part of the first account")
      ->default_val("postmaster");
  init->add_option("--host", a.init.host_name, "Our host name (mail.<domain> unless given)");
  init->add_option("--password-file", a.init.password_file, "Read the password from a file");
  init->add_option("--set", a.init.settings, "A setting to begin with, name=value; repeatable")
      ->allow_extra_args(false);
  app.add_subcommand("serve", "Serve the data folder");
  app.add_subcommand("demo", "A server on loopback to look at, with two accounts and a next hop");
  CLI::App* scenario = app.add_subcommand("scenario", "Run a scenario in the simulator");
  scenario->add_option("scenario", a.scenario, "A name (S4) or a file")->required();
  let_options_stand_anywhere(app);
  a.init.data_folder = &a.options.data_folder;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kAbout, "posthorn");
  Arguments a;
  a.options.who = "uid " + std::to_string(getuid());
  app.add_option("--data", a.options.data_folder, "The data folder")->default_val("posthorn-data");
  app.add_flag("--json", a.options.json, "Answer as JSON");
  app.require_subcommand(1);
  const ph::cli::Commands commands(app, a.options);
  declare_own(app, a);
  CLI11_PARSE(app, argc, argv);
  const bool demo = app.got_subcommand("demo");
  if (app.count("--data") == 0 && (demo || !ph::app::folder_exists(a.options.data_folder))) {
    a.options.data_folder = ph::app::kDemoFolder;
  }
  if (app.got_subcommand("init")) return ph::app::run_init(a.init);
  if (app.got_subcommand("serve")) return ph::app::run_serve(a.options.data_folder);
  if (demo) return ph::app::run_demo(a.options.data_folder);
  if (app.got_subcommand("scenario")) return ph::app::run_scenario(a.scenario);
  if (const auto chosen = commands.chosen()) return ph::app::run_client(a.options, *chosen);
  std::fprintf(stderr, "%s", app.help().c_str());
  return 2;
}
