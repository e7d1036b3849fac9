#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "io/files.h"

namespace cola::test {

/// The program under test: CMake names the one that was built.
inline std::string program() { return COLA_PROGRAM; }

struct ProgramResult {
  int status = -1;
  std::string output;  ///< standard output
  std::string error;   ///< standard error
};

/// Runs a shell's command line.
inline ProgramResult run_command(const std::string& command_line) {
  const std::string base = testing::TempDir() + "cola-program-" + std::to_string(getpid());
  const std::filesystem::path output = base + ".output";
  const std::filesystem::path error = base + ".error";
  const std::string command = command_line + " >'" + output.string() + "' 2>'" + error.string() + "'";
  const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): the arguments are the test's own
  ProgramResult result{WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text_file(output),
                       read_text_file(error)};
  std::filesystem::remove(output);
  std::filesystem::remove(error);
  return result;
}

/// Runs the program with a shell's command line.
inline ProgramResult run_program(const std::string& arguments) {
  return run_command("'" + program() + "' " + arguments);
}

}  // namespace cola::test
