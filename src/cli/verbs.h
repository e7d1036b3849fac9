#pragma once
#include <CLI/CLI.hpp>

namespace cola {

// Each adds one verb with its options to the program; the verb runs in its callback, writes results to
// standard output and throws cola::Error, or CLI::ParseError for a value of the wrong type.
void add_train(CLI::App& app);
void add_eval(CLI::App& app);
void add_generate(CLI::App& app);
void add_chat(CLI::App& app);
void add_inspect(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_template(CLI::App& app);
void add_init(CLI::App& app);
void add_merge(CLI::App& app);
void add_export(CLI::App& app);
void add_bench(CLI::App& app);
void add_demo(CLI::App& app);
void add_theory(CLI::App& app);
void add_flops(CLI::App& app);
void add_report(CLI::App& app);
void add_sweep(CLI::App& app);

}  // namespace cola
