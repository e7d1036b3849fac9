#include "cli/applied.h"

#include <fmt/format.h>

#include <utility>

#include "eval/loaded_model.h"

namespace cola {

namespace {

/// Empty for a plain model.
std::string describe_links(const ModelSource& source, const LanguageModel& model) {
  if (source.run.empty() && source.adapters.empty()) return {};
  if (model.link_count() == 0) return "applied: the run's own weights (full fine-tuning), no links";
  const auto step = resolve(source).checkpoint_step;
  return fmt::format(
      "applied: {} link{}{}, |delta W| {:.6g}", model.link_count(), model.link_count() == 1 ? "" : "s",
      step ? fmt::format(" as of checkpoint {} of an unfinished run", *step) : "", model.delta_norm());
}

}  // namespace

std::vector<std::string> describe_applied(const ModelSource& source, const LanguageModel& model) {
  std::vector<std::string> lines = model.notes();
  if (std::string links = describe_links(source, model); !links.empty()) lines.push_back(std::move(links));
  return lines;
}

}  // namespace cola
