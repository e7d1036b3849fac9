// cola generate
#include <fmt/format.h>

#include <iostream>
#include <iterator>
#include <memory>

#include "cli/applied.h"
#include "cli/generation_options.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "io/files.h"

namespace cola {
namespace {

constexpr std::size_t prompt_limit = std::size_t{64} << 20;  // bytes

struct GenerateVerb {
  ModelOptions model;
  GenerateOptions generate;
  std::string prompt, prompt_file, chat_file;
  ChatTemplateOptions chat;
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
  if (!verb.chat_file.empty())
    return verb.chat_file == "-" ? read_standard_input() : read_text_file(verb.chat_file, prompt_limit);
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
  const GenerateResult result = verb.chat_file.empty()
                                    ? model.generate(prompt, verb.generate, each_piece)
                                    : model.answer(prompt, verb.chat, verb.generate, each_piece);
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
  CLI::Option* chat =
      verb.add_option("--chat", state->chat_file,
                      R"(chat to answer: a JSON file of {"messages", "tools"} or messages, or -)");
  chat->type_name("FILE")->excludes(prompt)->excludes(file);
  add_chat_options(verb, state->chat.chat_template, state->chat.chat_template_kwargs);
  add_generation_options(verb, state->generate);
  add_model_options(verb, state->model);
  add_base_options(verb, state->model);
  verb.add_flag("--json", state->json, "print the result as JSON, at the end");
  verb.callback([&verb, state, prompt, file, chat] {
    if (prompt->count() == 0 && file->count() == 0 && chat->count() == 0)
      throw UsageError(
          "no prompt: give --prompt TEXT, --prompt-file FILE or --chat FILE (- for standard input)");
    if (chat->count() == 0 && (verb.count("--chat-template") > 0 || verb.count("--chat-template-kwargs") > 0))
      throw UsageError("--chat-template and --chat-template-kwargs belong to --chat");
    take_chat_options(verb, state->model.run, state->chat);
    run_generate(*state);
  });
}

}  // namespace cola
