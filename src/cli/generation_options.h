#pragma once
#include <CLI/CLI.hpp>

#include "cola/language_model.h"

namespace cola {

/// Adds --max-new-tokens, --temperature, --top-p, --seed and --stop; `options` outlives the parsing.
void add_generation_options(CLI::App& verb, GenerateOptions& options);

}  // namespace cola
