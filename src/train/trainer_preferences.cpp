// Preference pairs: the reference's log-probabilities, and evaluation on pairs.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "train/preference_log.h"
#include "train/trainer.h"

namespace cola {
namespace {

/// Log-probabilities of the answers, each rank's share computed by it.
std::vector<AnswerLogProbabilities> log_probabilities(
    ops::Context& context, const Decoder& model, DecoderActivations& activations,
    std::span<const PreferencePair> pairs, bool share_prefix, Ranks& ranks,
    const std::function<void(std::int64_t, std::int64_t)>& each) {
  const auto [begin, end] = share_of(ranks, std::ssize(pairs));
  const auto first = static_cast<std::size_t>(begin);
  const auto own = pairs.subspan(first, static_cast<std::size_t>(end - begin));
  std::vector<double> figures(2 * pairs.size(), 0.0);
  if (!own.empty()) {
    const auto scores =
        score_pairs(context, model, activations, own, share_prefix, default_evaluation_tokens, each);
    for (std::size_t i = 0; i < own.size(); ++i)
      std::ranges::copy(scores[i].sums, figures.begin() + static_cast<std::ptrdiff_t>(2 * (first + i)));
  }
  ranks.sum(figures, {});
  std::vector<AnswerLogProbabilities> all;
  for (std::size_t i = 0; i < pairs.size(); ++i) all.push_back({figures[2 * i], figures[2 * i + 1]});
  return all;
}

}  // namespace

void Trainer::compute_references() {
  PreferenceTraining* training = session_.data.train.preference();
  if (training == nullptr || !training->objective.has_reference()) return;
  if (training->objective.reference_is_start && session_.chain) {
    for (const Link& link : session_.tied_links) session_.chain->add_tied(context_, copy_of(link));
    session_.chain->begin_live(session_.new_link(0), false);
  }
  const auto compute = [&](std::span<const PreferencePair> pairs) {
    Progress progress(progress_.is_quiet());  // of its own, so that the steps' begins anew
    return log_probabilities(
        context_, *session_.model, activations_, pairs, !session_.options.no_share_prefix, ranks_,
        [&](std::int64_t done, std::int64_t total) {
          progress.update(fmt::format("reference: {} of {} pairs", done, total), done, total);
        });
  };
  training->references = compute(session_.data.train.pairs());
  if (session_.data.dev) session_.data.dev->references = compute(session_.data.dev->pairs.pairs);
  if (session_.chain) session_.chain->clear();
}

void Trainer::evaluate_pairs(Json& event) {
  const PreferenceObjective& objective = session_.data.train.preference()->objective;
  const DevSet& dev = *session_.data.dev;
  const auto [begin, end] = share_of(ranks_, std::ssize(dev.pairs.pairs));
  const auto first = static_cast<std::size_t>(begin);
  const auto own = std::span(dev.pairs.pairs).subspan(first, static_cast<std::size_t>(end - begin));
  PreferenceSums sums;
  if (!own.empty()) {
    const auto scores = score_pairs(context_, *session_.model, activations_, own,
                                    !session_.options.no_share_prefix, default_evaluation_tokens);
    for (std::size_t i = 0; i < own.size(); ++i)
      sums.add(scores[i], pair_loss(objective, scores[i], dev.references[first + i]));
  }
  auto figures = sums.figures();
  sum_over_ranks(figures, false);
  sums = PreferenceSums::of_figures(figures);
  state_.dev_loss = sums.mean_loss(objective);
  event["dev_loss"] = *state_.dev_loss;
  event["examples"] = sums.pairs;
  event.update(preference_json(sums));
}

}  // namespace cola
