// cola bench template
#include <fmt/format.h>

#include <memory>

#include "bench/template_benchmark.h"
#include "cli/bench_options.h"
#include "cli/output.h"
#include "cli/template_input.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "core/thread_option.h"
#include "data/record_source.h"

namespace cola {
namespace {

struct BenchTemplateVerb {
  TemplateOptions input;
  std::string data;
  std::int64_t rounds = 5;
  int threads = 0;
  bool json = false;
};

std::vector<ChatInput> chats_of(const std::string& file) {
  std::vector<ChatInput> chats;
  const auto records = open_records(file);
  for (std::string record; records->next(record);)
    chats.push_back(parse_template_input(record, records->where()));
  if (chats.empty()) throw Error(fmt::format("{}: no records in the file", file));
  return chats;
}

void run_bench_template(const BenchTemplateVerb& verb) {
  require_thread_count(verb.threads);
  set_thread_count(verb.threads);
  const ChatFormat format = open_template(verb.input);
  const std::vector<ChatInput> chats = chats_of(verb.data);
  Progress progress(false);
  TemplateBenchmark result;
  try {
    result = benchmark_template(format, chats, verb.rounds, [&](std::int64_t done, std::int64_t total) {
      progress.update(fmt::format("round {} of {}", done, total), done, total);
    });
  } catch (const jinja::Error& error) {
    throw Error(fmt::format("{}: {}", verb.data, format.describe(error)));
  }
  if (verb.json) {
    Json json{{"template", format.origin()},
              {"threads", thread_count()},
              {"chats", chats.size()},
              {"bytes", result.bytes},
              {"rounds", verb.rounds}};
    add_spread(json, "chats_per_second", result.chats_per_second);
    add_spread(json, "bytes_per_second", result.bytes_per_second);
    print_json(json);
    return;
  }
  print(bench_row("template", fmt::format("{}, {} threads, {} chats, {} times", format.origin(),
                                          thread_count(), chats.size(), verb.rounds)) +
        bench_row("bytes", fmt::format("{}", result.bytes)) +
        bench_row("chats per second", spread_text(result.chats_per_second, 0)) +
        bench_row("MB per second", spread_text(result.bytes_per_second.times(1e-6), 2)));
}

}  // namespace

void add_bench_template(CLI::App& bench) {
  auto* verb = bench.add_subcommand("template", "rendering chats on all threads, and finding their turns");
  const auto state = std::make_shared<BenchTemplateVerb>();
  add_template_options(*verb, state->input);
  verb->add_option("--data", state->data, "chats, as cola template takes them")
      ->type_name("FILE")
      ->required();
  verb->add_option("--rounds", state->rounds, "times all are rendered, after one that is not counted")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  verb->add_option("--threads", state->threads, "threads; 0: all cores")
      ->type_name("N")
      ->capture_default_str();
  verb->add_flag("--json", state->json, "print the result as JSON");
  verb->callback([state] { run_bench_template(*state); });
}

}  // namespace cola
