#pragma once
#include "text/jinja/interpreter.h"

namespace cola::jinja {

/// One level of what waits for something inside it.
class Interpreter::Depth {
 public:
  explicit Depth(Interpreter& interpreter) : interpreter_(interpreter) {
    constexpr int most = 1000;
    if (++interpreter_.depth_ > most) {
      --interpreter_.depth_;
      throw Error(Error::Kind::exhausted, "the template calls itself too often");
    }
  }
  ~Depth() { --interpreter_.depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  Interpreter& interpreter_;
};

/// Gives an error that does not know its place this one.
[[noreturn]] inline void rethrow_at(const Error& error, Place place) {
  if (error.place().line > 0) throw error;
  throw Error(error.kind(), error.what(), place);
}

}  // namespace cola::jinja
