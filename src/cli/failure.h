#pragma once
#include <exception>
#include <string>

namespace cola {

/// What the program says of a failure, and its exit status.
struct Failure {
  std::string message;
  int exit_status = 1;
};

/// Of the exception that is being handled.
[[nodiscard]] Failure current_failure();

/// Prints "cola: error: ..." to standard error; returns the exit status.
int report(const Failure& failure);

/// A failure that has been reported: the program ends with its status and says no more.
class Reported : public std::exception {
 public:
  explicit Reported(int status) : exit_status_(status) {}
  [[nodiscard]] int exit_status() const { return exit_status_; }

 private:
  int exit_status_;
};

}  // namespace cola
