#pragma once
#include <stdexcept>
#include <string>

namespace cola {

/// The work failed: what, where, what to do, in one or two lines. The program ends with exit status 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  [[nodiscard]] virtual int exit_status() const noexcept { return 1; }
};

/// The caller asked for something that cannot be: a wrong option, name or value. Exit status 2.
class UsageError : public Error {
 public:
  using Error::Error;
  [[nodiscard]] int exit_status() const noexcept override { return 2; }
};

}  // namespace cola
