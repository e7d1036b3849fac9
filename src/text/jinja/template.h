#pragma once
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/error.h"
#include "text/jinja/value.h"

namespace cola::jinja {

struct Syntax;

struct RenderOptions {
  std::tm now = {};  ///< what strftime_now writes
  std::int64_t most_steps = 10'000'000;
  std::size_t most_bytes = std::size_t{64} << 20;
};

struct Rendered {
  Text text;
  /// Bytes [first, second) of the text that {% generation %} blocks wrote, in order.
  std::vector<std::pair<std::size_t, std::size_t>> generated;
};

/// A template in the part of Jinja2 that published chat templates use, with transformers' settings
/// (docs/decisions/0028-chat-templates.md). Movable; one may be rendered by several threads at once.
class Template {
 public:
  /// Throws Error as parse() does.
  explicit Template(std::string_view source);
  ~Template();
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  /// Throws Error where Jinja2 does, and beyond the limits.
  [[nodiscard]] Rendered render(const Dict& variables, const RenderOptions& options) const;
  /// Whether {% generation %} stands in it.
  [[nodiscard]] bool has_generation_blocks() const;

 private:
  std::unique_ptr<const Syntax> syntax_;
};

}  // namespace cola::jinja
