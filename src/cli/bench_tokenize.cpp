// cola bench tokenize
#include <fmt/format.h>

#include <memory>

#include "bench/tokenize_benchmark.h"
#include "cli/bench_options.h"
#include "cli/output.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "core/thread_option.h"
#include "data/record_source.h"

namespace cola {
namespace {

struct BenchTokenizeVerb {
  std::string tokenizer, data;
  std::int64_t rounds = 5;
  int threads = 0;
  bool json = false;
};

std::vector<std::string> texts_of(const std::string& file) {
  std::vector<std::string> texts;
  const auto records = open_records(file);
  for (std::string record; records->next(record);) {
    const Json json = parse_json(record, records->where());
    texts.push_back(JsonReader(json, records->where()).string("text"));
  }
  if (texts.empty()) throw Error(fmt::format("{}: no records in the file", file));
  return texts;
}

void run_bench_tokenize(const BenchTokenizeVerb& verb) {
  require_thread_count(verb.threads);
  set_thread_count(verb.threads);
  const auto tokenizer = open_tokenizer(verb.tokenizer);
  const std::vector<std::string> texts = texts_of(verb.data);
  Progress progress(false);
  const TokenizeBenchmark result =
      benchmark_tokenize(*tokenizer, texts, verb.rounds, [&](std::int64_t done, std::int64_t total) {
        progress.update(fmt::format("round {} of {}", done, total), done, total);
      });
  if (verb.json) {
    Json json{{"tokenizer", verb.tokenizer}, {"threads", thread_count()}, {"texts", texts.size()},
              {"bytes", result.bytes},       {"tokens", result.tokens},   {"checksum", result.checksum},
              {"rounds", verb.rounds}};
    add_spread(json, "bytes_per_second", result.bytes_per_second);
    add_spread(json, "tokens_per_second", result.tokens_per_second);
    print_json(json);
    return;
  }
  const auto megabytes = [](const Spread& rate) { return spread_text(rate.times(1e-6), 2); };
  print(bench_row("tokenize", fmt::format("{}, {} threads, {} texts, {} times", verb.tokenizer,
                                          thread_count(), texts.size(), verb.rounds)) +
        bench_row("bytes, tokens", fmt::format("{}, {}", result.bytes, result.tokens)) +
        bench_row("MB per second", megabytes(result.bytes_per_second)) +
        bench_row("million tokens per second", megabytes(result.tokens_per_second)));
}

}  // namespace

void add_bench_tokenize(CLI::App& bench) {
  auto* verb = bench.add_subcommand("tokenize", "encoding texts on all threads");
  const auto state = std::make_shared<BenchTokenizeVerb>();
  verb->add_option("--tokenizer", state->tokenizer, "folder of the tokenizer, or GGUF file")
      ->type_name("PATH")
      ->required();
  verb->add_option("--data", state->data, R"(texts: records of {"text"}, in any form of docs/formats.md)")
      ->type_name("FILE")
      ->required();
  verb->add_option("--rounds", state->rounds, "times all are encoded, after one that is not counted")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  verb->add_option("--threads", state->threads, "threads; 0: all cores")
      ->type_name("N")
      ->capture_default_str();
  verb->add_flag("--json", state->json, "print the result as JSON");
  verb->callback([state] { run_bench_tokenize(*state); });
}

}  // namespace cola
