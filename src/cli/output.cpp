#include "cli/output.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "core/error.h"

namespace cola {

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  const int error = errno;
  if (error == EPIPE) throw BrokenPipe();
  throw Error(fmt::format("cannot write to standard output: {}", std::generic_category().message(error)));
}

void print_notes(std::span<const std::string> notes) {
  for (const auto& note : notes) fmt::print(stderr, "{}\n", note);
}

void print_json(const Json& json) { print(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"); }

}  // namespace cola
