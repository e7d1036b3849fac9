// cola eval
#include <fmt/format.h>

#include <memory>

#include "cli/applied.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/progress.h"

namespace cola {
namespace {

struct EvalVerb {
  ModelOptions model;
  EvaluateOptions evaluate;
  std::string data;
  bool json = false;
};

void run_eval(const EvalVerb& verb) {
  const ModelSource source = model_source(verb.model);
  LanguageModel model(source);
  Progress progress(false);
  if (const std::string applied = describe_applied(source, model); !applied.empty()) progress.note(applied);
  EvaluateOptions options = verb.evaluate;
  options.progress = [&progress](std::int64_t done, std::int64_t total) {
    progress.update(fmt::format("{} of {} sequences", done, total), done, total);
  };
  const EvaluateResult result = model.evaluate(verb.data, options);
  progress.note(fmt::format("data: {}", result.data_summary));
  if (verb.json) {
    print_json({{"loss", result.loss},
                {"perplexity", result.perplexity},
                {"token_accuracy", result.token_accuracy},
                {"loss_tokens", result.loss_tokens},
                {"sequences", result.sequences},
                {"links", result.links}});
    return;
  }
  print(fmt::format(
      "loss:           {:.5f} nats a token\nperplexity:     {:.4f}\ntoken accuracy: {:.2f} %\n"
      "loss tokens:    {} in {} sequences\n",
      result.loss, result.perplexity, 100.0 * result.token_accuracy, result.loss_tokens, result.sequences));
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("eval", "loss, perplexity and token accuracy on a data file");
  const auto state = std::make_shared<EvalVerb>();
  verb.add_option("--data", state->data, "data, JSONL")->type_name("FILE")->required();
  add_model_options(verb, state->model);
  add_data_options(verb, state->evaluate);
  verb.add_flag("--json", state->json, "print the result as JSON");
  verb.callback([state] { run_eval(*state); });
}

}  // namespace cola
