// posthorn-docs: the pages that are made from the program's own tables.
//   posthorn-docs write DIR   writes them
//   posthorn-docs check DIR   exit status 1 if one is not as it would be written
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "app/settings_page.h"
#include "model/states_page.h"

namespace {

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

bool is_written(const std::string& path, const std::string& page) {
  std::ofstream out(path, std::ios::binary);
  out << page;
  out.flush();
  return out.good();
}

}  // namespace

int main(int count, char** words) {
  const std::string_view verb = count == 3 ? words[1] : "";
  if (verb != "write" && verb != "check") {
    std::cerr << "usage: posthorn-docs write|check DIR\n";
    return 2;
  }
  const std::string folder = words[2];
  const std::pair<std::string, std::string> pages[] = {
      {folder + "/states.md", ph::model::queue_states_page()},
      {folder + "/settings.md", ph::app::settings_page()}};
  int status = 0;
  for (const auto& [path, page] : pages) {
    if (verb == "write" ? is_written(path, page) : content_of(path) == page) continue;
    std::cerr << path
              << (verb == "write" ? " cannot be written\n" : " is out of date: ./dev docs\n");
    status = 1;
  }
  return status;
}
