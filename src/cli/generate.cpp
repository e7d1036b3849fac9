// cola generate
#include <fmt/format.h>

#include <iostream>
#include <iterator>
#include <memory>

#include "cli/applied.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "core/error.h"
#include "io/files.h"

namespace cola {
namespace {

constexpr std::size_t prompt_limit = std::size_t{64} << 20;  // bytes

struct GenerateVerb {
  ModelOptions model;
  GenerateOptions generate;
  std::string prompt, prompt_file;
  bool json = false;
};

std::string read_standard_input() {
  std::string text;
  for (char block[1 << 16]; std::cin.read(block, sizeof block), std::cin.gcount() > 0;) {
    text.append(block, static_cast<std::size_t>(std::cin.gcount()));
    if (text.size() > prompt_limit) throw Error("standard input is too long for a prompt");
  }
  return text;
}

std::string prompt_of(const GenerateVerb& verb) {
  if (verb.prompt == "-" || verb.prompt_file == "-") return read_standard_input();
  if (!verb.prompt_file.empty()) return read_text_file(verb.prompt_file, prompt_limit);
  return verb.prompt;
}

void run_generate(const GenerateVerb& verb) {
  const ModelSource source = model_source(verb.model);
  const std::string prompt = prompt_of(verb);
  LanguageModel model(source);
  for (const std::string& line : describe_applied(source, model)) fmt::print(stderr, "{}\n", line);
  if (const std::string remark = model.tokenizer_remark(); !remark.empty())
    fmt::print(stderr, "{}\n", remark);
  std::function<void(std::string_view)> each_piece;
  if (!verb.json) each_piece = print;
  const GenerateResult result = model.generate(prompt, verb.generate, each_piece);
  if (verb.json) {
    print_json({{"text", result.text},
                {"tokens", result.tokens},
                {"tokens_per_second", result.tokens_per_second},
                {"stopped_at_eos", result.stopped_at_eos},
                {"stopped_at_text", result.stopped_at_text}});
  } else {
    print("\n");
  }
  if (result.stopped_at_last_position) {
    fmt::print(stderr, "note: stopped after {} tokens: the model has no more positions\n", result.tokens);
  }
}

}  // namespace

void add_generate(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("generate", "continue a prompt; the text appears as it comes");
  const auto state = std::make_shared<GenerateVerb>();
  CLI::Option* prompt =
      verb.add_option("--prompt", state->prompt, "text to continue, or - for standard input");
  CLI::Option* file = verb.add_option("--prompt-file", state->prompt_file, "file with the text, or -");
  prompt->type_name("TEXT");
  file->type_name("FILE")->excludes(prompt);
  GenerateOptions& generate = state->generate;
  verb.add_option("--max-new-tokens", generate.max_new_tokens, "tokens at most")
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--temperature", generate.temperature, "0: greedy; above: sampling")
      ->type_name("X")
      ->capture_default_str();
  verb.add_option("--top-p", generate.top_p,
                  "sample from the most probable tokens that have this much together")
      ->type_name("X")
      ->capture_default_str();
  verb.add_option("--seed", generate.seed, "seed of the sampling")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number());
  verb.add_option("--stop", generate.stop, "end before this text (repeatable)")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  add_model_options(verb, state->model);
  add_base_options(verb, state->model);
  verb.add_flag("--json", state->json, "print the result as JSON, at the end");
  verb.callback([state, prompt, file] {
    if (prompt->count() == 0 && file->count() == 0) {
      throw UsageError("no prompt: give --prompt TEXT or --prompt-file FILE (- for standard input)");
    }
    run_generate(*state);
  });
}

}  // namespace cola
