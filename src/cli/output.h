#pragma once
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "io/json.h"

namespace cola {

/// The reader of standard output has gone (`cola ... | head`): the program ends quietly.
class BrokenPipe : public std::exception {};

/// Writes to standard output and flushes. Throws BrokenPipe, or Error if it cannot be written (disk full).
void print(std::string_view text);

/// Lines for standard error.
void print_notes(std::span<const std::string> notes);

/// One object and a line end, to standard output. Bytes that are not UTF-8 become U+FFFD.
void print_json(const Json& json);

}  // namespace cola
