// cola inspect
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "cli/inspections.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"

namespace cola {
namespace {

struct InspectVerb {
  ModelOptions model;
  EvaluateOptions evaluate;
  PreferenceOptions preference;
  std::string data;
  std::int64_t count = 3;
  bool json = false;
};

Inspection inspect(const InspectVerb& verb) {
  const ModelOptions& model = verb.model;
  if (!verb.data.empty()) {
    const bool colour = !verb.json && isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    ModelSource source;
    if (model.model.empty() && model.run.empty()) {
      source.tokenizer = model.tokenizer;
    } else {
      source = model_source(model);
    }
    return inspect_data(verb.data, source, verb.evaluate, verb.preference, verb.count, colour);
  }
  if (!model.run.empty()) return inspect_run(model_source(model));
  if (!model.adapters.empty())
    return inspect_adapters({model.adapters.begin(), model.adapters.end()}, model.model);
  if (!model.model.empty()) return inspect_model(model.model, model.tokenizer);
  throw UsageError("nothing to inspect: give --model, --run, --adapter or --data");
}

}  // namespace

void add_inspect(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("inspect", "what a model, a run, an adapter or a data file is");
  const auto state = std::make_shared<InspectVerb>();
  verb.add_option("--data", state->data,
                  "data, in any form of docs/formats.md: shows its sequences, trained tokens marked")
      ->type_name("FILE");
  verb.add_option("--count", state->count, "sequences or pairs to show")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  add_model_options(verb, state->model);
  add_data_options(verb, state->evaluate);
  verb.add_option("--objective", state->preference.objective,
                  "dpo, orpo or simpo: data are pairs of a chosen and a rejected answer")
      ->type_name("NAME");
  verb.add_flag("--json", state->json, "print the result as JSON");
  verb.callback([state, &verb] {
    take_data_options(verb, state->model.run, state->evaluate);
    const Inspection inspection = inspect(*state);
    if (state->json) {
      print_json(inspection.json);
    } else {
      print(inspection.text);
    }
  });
}

}  // namespace cola
