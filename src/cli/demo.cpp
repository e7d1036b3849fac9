// cola demo
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "cli/demo_experiment.h"
#include "cli/demo_statistics.h"
#include "cli/new_folder.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/thread_option.h"

namespace cola {
namespace {

struct DemoVerb {
  std::string out = "cola-demo";
  std::int64_t seeds = 3, epochs = demo_epochs;
  int threads = 1;  // the model is too small for more; as many threads give the same numbers
  bool json = false, quiet = false;
};

/// A pair of rows that the summary compares: `first` against `second`.
struct Comparison {
  std::size_t first, second;
};

/// Every pair of methods, the later row first.
std::vector<Comparison> comparisons(std::size_t methods) {
  std::vector<Comparison> pairs;
  for (std::size_t second = 0; second < methods; ++second) {
    for (std::size_t first = second + 1; first < methods; ++first) pairs.push_back({first, second});
  }
  return pairs;
}

std::string with_spread(const std::vector<double>& values, double scale, int digits) {
  const MeanAndSpread result = mean_and_spread(values);
  if (values.size() < 2) return fmt::format("{:.{}f}", result.mean * scale, digits);
  return fmt::format("{:.{}f} ± {:.{}f}", result.mean * scale, digits, result.spread * scale, digits);
}

std::string table_of(const DemoResult& result) {
  std::vector<std::vector<std::string>> rows{
      {"method", "rank", "learning rate", "dev loss", "accuracy %", "trained parameters", "seconds",
       "real TFLOPs"},
      {"before fine-tuning", "", "", fmt::format("{:.4f}", result.base_dev_loss),
       fmt::format("{:.1f}", 100.0 * result.base_accuracy), "", "", ""}};
  for (const DemoMeasurements& row : result.methods) {
    rows.push_back({row.method.name, row.rank > 0 ? fmt::format("{}", row.rank) : "full",
                    fmt::format("{:g}", row.method.learning_rate), with_spread(row.dev_loss, 1.0, 4),
                    with_spread(row.accuracy, 100.0, 1), fmt::format("{}", row.trained_parameters),
                    with_spread(row.seconds, 1.0, 1),
                    fmt::format("{:.4f}", mean_and_spread(row.real_flops).mean * 1e-12)});
  }
  return aligned_table(rows);
}

std::string sentence_of(const char* quantity, const DemoMeasurements& first, const DemoMeasurements& second,
                        const Difference& difference, double scale, const char* unit, int digits) {
  const double size = std::abs(difference.difference) * scale;
  const std::string pair = fmt::format("{} against {}: {} ", first.method.name, second.method.name, quantity);
  if (difference.difference == 0.0) return pair + "the same\n";
  const bool lower = difference.difference < 0.0;
  const std::string ratio =
      difference.spread > 0.0
          ? fmt::format("{:.1f} x the spread", std::abs(difference.difference) / difference.spread)
          : std::string("the spread is 0");
  return pair + fmt::format("{} by {:.{}f}{}, {} ({} in {} of {} seeds): {}\n", lower ? "lower" : "higher",
                            size, digits, unit, ratio, lower ? "lower" : "higher",
                            lower ? difference.first_lower : difference.first_higher, first.dev_loss.size(),
                            difference.larger_than_spread() ? "larger than the spread"
                                                            : "not larger than the spread");
}

std::string summary_of(const DemoVerb& verb, const DemoResult& result) {
  std::string text = fmt::format(
      "Task: the colours of the stories have changed names in pairs. {} training items, {} dev items about "
      "other pairs\n"
      "of colour and object. Epochs: {}. Rank on queries' and values' projections, for LoRA and for each "
      "link: {}. Seeds: "
      "{}.\n\n",
      result.train_items, result.dev_items, verb.epochs, demo_rank, verb.seeds);
  text += table_of(result);
  text +=
      "\nDev loss (nats) and accuracy (the answer is the most probable token) of the last state on the dev "
      "items.\n"
      "rank: of the whole change of a weight. trained parameters: at a time. seconds: training and dev "
      "evaluations.\n";
  if (verb.seeds < 2) {
    text += "One seed has no spread: nothing is compared.\n";
  } else {
    text +=
        "±: the spread, the sample standard deviation over the seeds. A difference of means is called larger "
        "than\n"
        "the spread if it is larger than the spread of either method.\n\n";
    for (const auto [first, second] : comparisons(result.methods.size())) {
      const DemoMeasurements& a = result.methods[first];
      const DemoMeasurements& b = result.methods[second];
      text += sentence_of("dev loss", a, b, difference_of(a.dev_loss, b.dev_loss), 1.0, "", 4);
      text += sentence_of("accuracy", a, b, difference_of(a.accuracy, b.accuracy), 100.0, " points", 1);
    }
  }
  return text + fmt::format("\nrun folders: {}; look at one: cola inspect --run {}\n", verb.out,
                            result.methods.at(1).runs.front());
}

Json json_of(const std::vector<double>& values) {
  const MeanAndSpread result = mean_and_spread(values);
  return {{"mean", result.mean},
          {"spread", values.size() < 2 ? Json(nullptr) : Json(result.spread)},
          {"values", values}};
}

Json json_of(const Difference& difference, const char* quantity, const DemoMeasurements& first,
             const DemoMeasurements& second) {
  return {{"quantity", quantity},
          {"method", first.method.name},
          {"against", second.method.name},
          {"difference", difference.difference},
          {"spread", difference.spread},
          {"lower_in_seeds", difference.first_lower},
          {"higher_in_seeds", difference.first_higher},
          {"larger_than_spread", difference.larger_than_spread()}};
}

Json json_of(const DemoVerb& verb, const DemoResult& result) {
  Json methods = Json::array();
  for (const DemoMeasurements& row : result.methods) {
    methods.push_back({{"name", row.method.name},
                       {"method", row.method.method},
                       {"links", row.method.method == "full" ? 0 : row.method.links},
                       {"rank", row.rank > 0 ? Json(row.rank) : Json(nullptr)},
                       {"learning_rate", row.method.learning_rate},
                       {"dev_loss", json_of(row.dev_loss)},
                       {"accuracy", json_of(row.accuracy)},
                       {"trained_parameters", row.trained_parameters},
                       {"seconds", json_of(row.seconds)},
                       {"real_flops", json_of(row.real_flops)},
                       {"runs", row.runs}});
  }
  Json differences = Json::array();
  for (const auto [first, second] : comparisons(verb.seeds < 2 ? 0 : result.methods.size())) {
    const DemoMeasurements& a = result.methods[first];
    const DemoMeasurements& b = result.methods[second];
    differences.push_back(json_of(difference_of(a.dev_loss, b.dev_loss), "dev_loss", a, b));
    differences.push_back(json_of(difference_of(a.accuracy, b.accuracy), "accuracy", a, b));
  }
  return {{"out", verb.out},
          {"seeds", verb.seeds},
          {"epochs", verb.epochs},
          {"train_items", result.train_items},
          {"dev_items", result.dev_items},
          {"before", {{"dev_loss", result.base_dev_loss}, {"accuracy", result.base_accuracy}}},
          {"methods", methods},
          {"differences", differences}};
}

void require_at_least_one(const char* option, std::int64_t value) {
  if (value < 1) throw UsageError(fmt::format("{} is {}: it must be 1 or more", option, value));
}

void run_demo_verb(const DemoVerb& verb) {
  require_at_least_one("--seeds", verb.seeds);
  require_at_least_one("--epochs", verb.epochs);
  require_thread_count(verb.threads);
  require_new_folder(verb.out);
  Progress progress(verb.quiet);
  const DemoResult result = run_demo({verb.out, verb.seeds, verb.epochs, verb.threads}, progress);
  if (verb.json) {
    print_json(json_of(verb, result));
  } else {
    print(summary_of(verb, result));
  }
}

}  // namespace

void add_demo(CLI::App& app) {
  CLI::App& verb =
      *app.add_subcommand("demo", "LoRA, COLA and full fine-tuning of an embedded model, in a minute or two");
  const auto state = std::make_shared<DemoVerb>();
  verb.add_option("--out", state->out, "folder of the runs to create")
      ->type_name("DIR")
      ->capture_default_str();
  verb.add_option("--seeds", state->seeds, "runs of each method")->type_name("N")->capture_default_str();
  verb.add_option("--epochs", state->epochs, "passes over the training items")
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--threads", state->threads, "threads; 0: all cores")
      ->type_name("N")
      ->capture_default_str();
  verb.add_flag("--quiet", state->quiet, "no progress on standard error");
  verb.add_flag("--json", state->json, "print the result as JSON");
  verb.callback([state] { run_demo_verb(*state); });
}

}  // namespace cola
