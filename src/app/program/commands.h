// The subcommands that are the program itself. Each answers the process's exit status.
#pragma once

#include <string>
#include <vector>

#include "cli/cli.h"

namespace ph::app {

inline constexpr const char* kDemoFolder = "demo-data";

struct InitArguments {
  const std::string* data_folder = nullptr;
  std::string domain;
  std::string admin;
  std::string host_name;
  std::string password_file;
  std::vector<std::string> settings;  // each "name=value"
};

bool folder_exists(const std::string& path);
int run_init(const InitArguments& arguments);
int run_serve(const std::string& data_folder);
int run_demo(const std::string& data_folder);
int run_scenario(const std::string& name);
int run_client(const cli::Options& options, const cli::Chosen& chosen);

}  // namespace ph::app
