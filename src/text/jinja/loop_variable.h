#pragma once
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace cola::jinja {

/// Where a loop is: at item `index` of what it goes through, which outlives it.
struct LoopPlace {
  const std::vector<Value>* items;
  std::size_t index;
};

/// loop.name; nothing where the name `loop` has no such member.
[[nodiscard]] std::optional<Value> loop_member(const LoopPlace& place, std::string_view name);

/// What `loop` is in that turn.
[[nodiscard]] Value loop_variable(const LoopPlace& place);

}  // namespace cola::jinja
