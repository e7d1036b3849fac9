#include "cli/failure.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>

#include "core/error.h"

namespace cola {

Failure current_failure() {
  try {
    throw;
  } catch (const CLI::ParseError& error) {
    return {error.what(), 2};
  } catch (const Error& error) {
    return {error.what(), error.exit_status()};
  } catch (const std::bad_alloc&) {
    return {"out of memory: use a shorter --max-length, a smaller batch or a smaller model", 1};
  } catch (const std::exception& error) {
    return {error.what(), 1};
  }
}

int report(const Failure& failure) {
  fmt::print(stderr, "cola: error: {}\n", failure.message);
  return failure.exit_status;
}

}  // namespace cola
