#pragma once
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/jinja/error.h"
#include "text/jinja/value.h"

namespace cola::jinja {

/// Arguments of a call of something with up to N parameters, by their place or name. Throws Error for others.
template <std::size_t N>
class Arguments {
 public:
  Arguments(std::string_view callee, const CallArguments& given, const std::array<std::string_view, N>& names)
      : callee_(callee) {
    if (given.positional.size() > N) fail(fmt::format("{}() got too many arguments", callee_));
    for (std::size_t i = 0; i < given.positional.size(); ++i) values_[i] = &given.positional[i];
    for (const auto& [name, value] : given.named) {
      std::size_t i = 0;
      while (i < N && names[i] != name) ++i;
      if (i == N) fail(fmt::format("{}() got an unexpected keyword argument '{}'", callee_, name));
      if (values_[i] != nullptr)
        fail(fmt::format("{}() got multiple values for argument '{}'", callee_, name));
      values_[i] = &value;
    }
  }

  /// Null where it is not given.
  [[nodiscard]] const Value* operator[](std::size_t i) const { return values_[i]; }
  [[nodiscard]] const Value& required(std::size_t i) const {
    if (values_[i] == nullptr) fail(fmt::format("{}() misses an argument", callee_));
    return *values_[i];
  }
  [[nodiscard]] const Text& text(std::size_t i) const {
    const Text* text = required(i).text();
    if (text == nullptr) fail(fmt::format("{}() takes a str, not a {}", callee_, type_name(*values_[i])));
    return *text;
  }
  [[nodiscard]] bool truth(std::size_t i, bool fallback) const {
    return values_[i] != nullptr ? is_true(*values_[i]) : fallback;
  }
  [[nodiscard]] std::int64_t integer(std::size_t i, std::int64_t fallback) const {
    if (values_[i] == nullptr) return fallback;
    std::int64_t integer = 0;
    if (!as_integer(*values_[i], integer))
      fail(fmt::format("{}() takes an int, not a {}", callee_, type_name(*values_[i])));
    return integer;
  }

 private:
  std::string_view callee_;  ///< a literal
  std::array<const Value*, N> values_ = {};
};

inline void take_none(std::string_view callee, const CallArguments& given) {
  (void)Arguments<0>(callee, given, {});
}

}  // namespace cola::jinja
