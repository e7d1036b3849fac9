#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "log/run_log.h"
#include "report/report_data.h"
#include "report/report_text.h"

namespace cola {
namespace {

namespace fs = std::filesystem;

// Bounds for folders of strangers; a run of the paper has some thousand steps.
constexpr std::uintmax_t largest_log = std::uintmax_t{256} << 20;
constexpr std::size_t largest_config = std::size_t{64} << 10;
constexpr std::size_t most_knots = 100;

void add_point(std::vector<CurvePoint>& curve, const JsonReader& event, const char* key) {
  if (!event.has(key)) return;
  const double value = event.number(key);
  if (std::isfinite(value)) curve.push_back({static_cast<double>(event.integer("step")), value});
}

void read_step(const JsonReader& event, RunReport& run) {
  add_point(run.loss, event, "loss");
  add_point(run.margin, event, "rewards_margin");
  add_point(run.reward_accuracy, event, "rewards_accuracy");
  add_point(run.reward_chosen, event, "rewards_chosen");
  add_point(run.reward_rejected, event, "rewards_rejected");
  run.steps = event.integer("step");
  run.links = event.integer("link", 0);
  run.tokens += event.integer("tokens", 0);
  run.seconds += event.number("seconds", 0.0);
  run.hf_flos = event.number("hf_flos", 0.0);
  run.real_flops = event.number("real_flops", 0.0);
}

void read_event(const JsonReader& event, RunReport& run) {
  const std::string kind = event.string("event");
  if (kind == "start") {
    run.method = shown_text(event.string("method", ""));
  } else if (kind == "step") {
    read_step(event, run);
  } else if (kind == "eval") {
    add_point(run.dev_loss, event, "dev_loss");
    add_point(run.dev_score, event, "dev_score");
    add_point(run.dev_margin, event, "rewards_margin");
    add_point(run.dev_reward_accuracy, event, "rewards_accuracy");
    run.seconds += event.number("seconds", 0.0);
  } else if (kind == "knot") {
    if (run.knots.size() < most_knots) run.knots.push_back(event.integer("step"));
  } else if (kind == "end") {
    run.ended = true;
    run.links = event.integer("links", run.links);
    run.tokens = event.integer("tokens", run.tokens);
    run.seconds = event.number("seconds", run.seconds);
  }
}

}  // namespace

RunReport read_run_report(const fs::path& folder) {
  const fs::path log = folder / "log.jsonl";
  std::error_code failure;
  if (!fs::is_regular_file(log, failure)) {
    throw Error(fmt::format("{}: no log.jsonl in it: not a run folder of cola train", folder.string()));
  }
  if (fs::file_size(log) > largest_log) throw Error(log.string() + ": larger than 256 MiB");
  RunReport run;
  run.folder = folder;
  run.config = read_text_file(folder / "config.toml", largest_config);
  std::size_t line = 0;
  for (const Json& event : read_run_log(log))
    read_event(JsonReader(event, fmt::format("{}:{}", log.string(), ++line)), run);
  return run;
}

}  // namespace cola
