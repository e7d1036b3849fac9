#include "cli/theory_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/demo_statistics.h"

namespace cola {
namespace {

using theory::Kinship;
using theory::PracticalColaRun;
using theory::TheoryResult;
using theory::TheoryRow;

template <class Value>
Json column(const TheoryResult& result, Value TheoryRow::* member) {
  Json values = Json::array();
  for (const TheoryRow& row : result.runs) values.push_back(row.*member);
  return values;
}

Json json_of(const PracticalColaRun& run) {
  return {{"learning_rate", run.learning_rate},
          {"loss", run.losses},
          {"gap", run.final_gap},
          {"nuclear_norm", run.final_nuclear_norm}};
}

Json json_of(const Kinship& kinship) {
  return {{"gradient_steps", kinship.options.steps},
          {"loss_every", kinship.options.loss_every},
          {"batch", kinship.options.batch},
          {"links", kinship.options.links},
          {"rank", kinship.options.rank},
          {"idealised",
           {{"loss", kinship.idealised},
            {"gap", kinship.idealised_gap},
            {"nuclear_norm", kinship.idealised_nuclear_norm}}},
          {"chain", json_of(kinship.chain)},
          {"one_link", json_of(kinship.single)}};
}

std::string constants_text(const TheoryResult& result) {
  const auto& constants = result.constants;
  const std::string range =
      constants.infimum_error > 0.0
          ? fmt::format("M <= {:.4g}, too large by at most {:.2g}", constants.range, constants.infimum_error)
          : fmt::format("M = {:.4g}", constants.range);
  return fmt::format("{}: W [{}, {}], R = {:g}, D = {:g}, beta = {:.4g}, {}\n\n", result.problem, result.rows,
                     result.cols, constants.radius, constants.diameter(), constants.smoothness, range);
}

std::string bound_table(const TheoryResult& result) {
  std::vector<std::vector<std::string>> rows{
      {"T", "batch", "step", "average gap", "mean eps", "bound", "gap/bound"}};
  for (const TheoryRow& row : result.runs) {
    rows.push_back({fmt::format("{}", row.iterations), fmt::format("{}", row.batch),
                    fmt::format("{:.4f}", row.step), fmt::format("{:.5f}", row.average_gap),
                    fmt::format("{:.5f}", row.epsilon), fmt::format("{:.5f}", row.bound()),
                    fmt::format("{:.3f}", row.average_gap / row.bound())});
  }
  const auto under =
      std::ranges::count_if(result.runs, [](const TheoryRow& row) { return row.average_gap <= row.bound(); });
  std::string text =
      aligned_table(rows) + fmt::format("\nunder the bound: {} of {} T", under, rows.size() - 1);
  if (result.slope)
    text += fmt::format("; slope of the average gap over T >= {}: {:.3f}", theory::slope_from, *result.slope);
  return text + "\n";
}

std::string fixed_batch_table(const TheoryResult& result) {
  std::vector<std::vector<std::string>> rows{{"T", "average gap", "mean eps", "bound without eps", ""}};
  for (const TheoryRow& row : result.runs) {
    rows.push_back({fmt::format("{}", row.iterations), fmt::format("{:.5f}", row.fixed_batch_gap),
                    fmt::format("{:.5f}", row.fixed_batch_epsilon),
                    fmt::format("{:.5f}", row.bound_without_epsilon),
                    row.fixed_batch_gap > row.bound_without_epsilon ? "broken" : "holds"});
  }
  return fmt::format("\nWith a fixed batch of {} eps does not fall, and the bound without it:\n",
                     result.fixed_batch) +
         aligned_table(rows);
}

std::string kinship_table(const TheoryResult& result) {
  const Kinship& kinship = result.kinship;
  std::vector<std::vector<std::string>> rows{
      {"gradient steps", "idealised", fmt::format("{} links", kinship.options.links), "1 link"}};
  for (std::size_t i = 0; i < kinship.idealised.size(); ++i) {
    rows.push_back({fmt::format("{}", kinship.options.loss_every * static_cast<std::int64_t>(i + 1)),
                    fmt::format("{:.5f}", kinship.idealised[i]),
                    fmt::format("{:.5f}", kinship.chain.losses[i]),
                    fmt::format("{:.5f}", kinship.single.losses[i])});
  }
  rows.push_back({"gap at the end", fmt::format("{:.5f}", kinship.idealised_gap),
                  fmt::format("{:.5f}", kinship.chain.final_gap),
                  fmt::format("{:.5f}", kinship.single.final_gap)});
  rows.push_back({"nuclear norm / R",
                  fmt::format("{:.3f}", kinship.idealised_nuclear_norm / result.constants.radius),
                  fmt::format("{:.3f}", kinship.chain.final_nuclear_norm / result.constants.radius),
                  fmt::format("{:.3f}", kinship.single.final_nuclear_norm / result.constants.radius)});
  rows.push_back({"learning rate * beta", "",
                  fmt::format("{:.3g}", kinship.chain.learning_rate * result.constants.smoothness),
                  fmt::format("{:.3g}", kinship.single.learning_rate * result.constants.smoothness)});
  return fmt::format(
             "\nLoss of idealised COLA (T = {}) and of practical COLA, links of rank {} by SGD, batch {}:\n",
             kinship.options.steps, kinship.options.rank, kinship.options.batch) +
         aligned_table(rows);
}

}  // namespace

Json theory_json(const TheoryResult& result, std::uint64_t seed) {
  Json bound = Json::array();
  Json broken = Json::array();
  for (const TheoryRow& row : result.runs) {
    bound.push_back(row.bound());
    broken.push_back(row.fixed_batch_gap > row.bound_without_epsilon);
  }
  const auto& constants = result.constants;
  return {{"problem", result.problem},
          {"seed", seed},
          {"shape", {result.rows, result.cols}},
          {"radius", constants.radius},
          {"diameter", constants.diameter()},
          {"beta", constants.smoothness},
          {"m", constants.range},
          {"m_error", constants.infimum_error},
          {"iterations", column(result, &TheoryRow::iterations)},
          {"batch", column(result, &TheoryRow::batch)},
          {"step", column(result, &TheoryRow::step)},
          {"average_gap", column(result, &TheoryRow::average_gap)},
          {"epsilon", column(result, &TheoryRow::epsilon)},
          {"bound", bound},
          {"slope", result.slope ? Json(*result.slope) : Json(nullptr)},
          {"fixed_batch",
           {{"batch", result.fixed_batch},
            {"average_gap", column(result, &TheoryRow::fixed_batch_gap)},
            {"epsilon", column(result, &TheoryRow::fixed_batch_epsilon)},
            {"bound_without_epsilon", column(result, &TheoryRow::bound_without_epsilon)},
            {"broken", broken}}},
          {"practical", json_of(result.kinship)}};
}

std::string theory_text(const TheoryResult& result) {
  return constants_text(result) + bound_table(result) + fixed_batch_table(result) + kinship_table(result);
}

}  // namespace cola
