// cola chat
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "cli/applied.h"
#include "cli/generation_options.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "io/files.h"
#include "io/json.h"

namespace cola {
namespace {

constexpr std::string_view commands =
    "/reset: begin anew; /system TEXT: begin anew with that system message; /save FILE: write the chat as a "
    "line of "
    "data; /exit\n";

struct ChatVerb {
  ModelOptions model;
  GenerateOptions generate;
  ChatTemplateOptions chat;
  std::string system;
};

/// A conversation at a terminal, or by lines of standard input.
class Conversation {
 public:
  Conversation(LanguageModel& model, const ChatVerb& verb)
      : model_(model), verb_(verb), is_terminal_(isatty(STDIN_FILENO) != 0) {
    begin(verb.system);
  }

  void run() {
    if (is_terminal_) fmt::print(stderr, "{}", commands);
    for (std::string line; ask() && std::getline(std::cin, line);) {
      if (line.empty()) continue;
      try {
        if (!(line.front() == '/' ? obey(line) : answer(line))) return;
      } catch (const Error& error) {
        if (!is_terminal_) throw;
        fmt::print(stderr, "{}\n", error.what());
      }
    }
  }

 private:
  [[nodiscard]] bool ask() const {
    if (is_terminal_) fmt::print(stderr, "> ");
    return true;
  }

  void begin(const std::string& system) {
    messages_ = Json::array();
    if (!system.empty()) messages_.push_back({{"role", "system"}, {"content", system}});
    system_ = system;
  }

  /// False where the program is to end.
  bool obey(const std::string& line) {
    const std::size_t space = line.find(' ');
    const std::string command = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (command == "/exit") return false;
    if (command == "/reset") {
      begin(system_);
    } else if (command == "/system") {
      begin(rest);
    } else if (command == "/save") {
      save(rest);
    } else {
      throw Error(fmt::format("{} is no command. {}", command, commands));
    }
    return true;
  }

  void save(const std::string& file) const {
    if (file.empty()) throw Error("/save needs the name of a file");
    if (std::filesystem::exists(file)) throw Error(file + " exists already");
    write_text_file(file, Json{{"messages", messages_}}.dump() + "\n");
  }

  /// Streams the answer; an interruption ends it, and not the program. False where the program is to end.
  bool answer(const std::string& text) {
    Json asked = messages_;
    asked.push_back({{"role", "user"}, {"content", text}});
    GenerateOptions options = verb_.generate;
    options.interrupted = [] { return InterruptGuard::pending() != 0; };
    const InterruptGuard guard;
    const GenerateResult result = model_.answer(asked.dump(), verb_.chat, options, print);
    print("\n");
    if (result.text.find_first_not_of(" \t\r\n") != std::string::npos) {  // else nothing was said
      asked.push_back({{"role", "assistant"}, {"content", result.text}});
      messages_ = std::move(asked);
    }
    if (result.stopped_at_last_position)
      fmt::print(stderr, "note: the model has no more positions: /reset\n");
    return InterruptGuard::pending() != SIGTERM;
  }

  LanguageModel& model_;
  const ChatVerb& verb_;
  bool is_terminal_;
  Json messages_;
  std::string system_;
};

void run_chat(const ChatVerb& verb) {
  const ModelSource source = model_source(verb.model);
  LanguageModel model(source);
  for (const std::string& line : describe_applied(source, model)) fmt::print(stderr, "{}\n", line);
  if (const std::string remark = model.tokenizer_remark(); !remark.empty())
    fmt::print(stderr, "{}\n", remark);
  Conversation(model, verb).run();
}

}  // namespace

void add_chat(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("chat", "talk with a model: a line is a question, /commands aside");
  const auto state = std::make_shared<ChatVerb>();
  state->generate.max_new_tokens = 1024;
  verb.add_option("--system", state->system, "system message to begin with")->type_name("TEXT");
  add_chat_options(verb, state->chat.chat_template, state->chat.chat_template_kwargs);
  add_generation_options(verb, state->generate);
  add_model_options(verb, state->model);
  add_base_options(verb, state->model);
  verb.callback([&verb, state] {
    take_chat_options(verb, state->model.run, state->chat);
    run_chat(*state);
  });
}

}  // namespace cola
