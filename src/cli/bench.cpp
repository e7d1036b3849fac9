// cola bench
#include "cli/bench_options.h"

namespace cola {

void add_bench(CLI::App& app) {
  auto* bench = app.add_subcommand("bench", "measure this machine, beside its own peak");
  bench->require_subcommand(1);
  add_bench_step(*bench);
  add_bench_gemm(*bench);
  add_bench_ops(*bench);
  add_bench_generate(*bench);
  add_bench_eval(*bench);
  add_bench_tokenize(*bench);
  add_bench_template(*bench);
}

}  // namespace cola
