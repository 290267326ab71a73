#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "base/text.h"
#include "cli/cli.h"

namespace ph::cli {
namespace {

constexpr ErrorKind kNoPassword{"cli", "no_password", Disposition::permanent};

// Turns the terminal's echo off and, however the reading ends, on again.
class EchoOff {
 public:
  EchoOff() {
    tcgetattr(STDIN_FILENO, &before_);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~EchoOff() { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;

 private:
  termios before_{};
};

std::string ask(const char* prompt) {
  const EchoOff echo_off;
  std::fputs(prompt, stderr);
  std::string line;
  std::getline(std::cin, line);
  std::fputc('\n', stderr);
  return line;
}

}  // namespace

Result<std::string> read_password(rt::Files& files, const std::string& file) {
  if (!file.empty()) {
    PH_TRY(const std::string text, files.read(file, 4096));
    const std::string_view line = split(text, '\n').front();
    return std::string(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line);
  }
  if (isatty(STDIN_FILENO) == 0) {
    return fail(kNoPassword, "no terminal to ask for a password; use --password-file");
  }
  std::string first = ask("Password: ");
  if (first != ask("Once more: ")) return fail(kNoPassword, "the two passwords differ");
  return first;
}

}  // namespace ph::cli
