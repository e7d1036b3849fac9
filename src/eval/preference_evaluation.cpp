#include "eval/preference_evaluation.h"

#include <utility>
#include <vector>

#include "chain/run_folder.h"
#include "eval/loss.h"

namespace cola {
namespace {

std::vector<PairScores> scores_without_links(LoadedModel& loaded, ops::Context& context,
                                             DecoderActivations& activations,
                                             std::span<const PreferencePair> pairs) {
  std::vector<Link> links;
  for (const Link* link : loaded.chain->links()) links.push_back(copy_of(*link));
  loaded.chain->clear();
  auto scores = score_pairs(context, *loaded.model, activations, pairs, true, default_evaluation_tokens);
  for (Link& link : links) loaded.chain->add_tied(context, std::move(link));
  return scores;
}

std::vector<PairScores> reference_scores(LoadedModel& loaded, ops::Context& context,
                                         DecoderActivations& activations,
                                         std::span<const PreferencePair> pairs) {
  if (loaded.resolved.run.empty()) return scores_without_links(loaded, context, activations, pairs);
  const ChainManifest manifest = read_manifest(RunFolder{loaded.resolved.run});
  if (manifest.method != "full") return scores_without_links(loaded, context, activations, pairs);
  ModelSource source = loaded.source;
  source.model = manifest.base_model;
  source.run.clear();
  source.state.clear();
  const LoadedModel base = load_model(source);
  ops::Context own(*base.backend);
  DecoderActivations others;
  return score_pairs(own, *base.model, others, pairs, true, default_evaluation_tokens);
}

}  // namespace

PreferenceSums evaluate_pairs(LoadedModel& loaded, ops::Context& context, DecoderActivations& activations,
                              std::span<const PreferencePair> pairs, const PreferenceObjective& objective,
                              const std::function<void(std::int64_t, std::int64_t)>& each) {
  std::vector<PairScores> references(pairs.size());
  if (objective.has_reference()) references = reference_scores(loaded, context, activations, pairs);
  const auto scores =
      score_pairs(context, *loaded.model, activations, pairs, true, default_evaluation_tokens, each);
  PreferenceSums sums;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    sums.add(scores[i], pair_loss(objective, scores[i], references[i].sums));
  return sums;
}

}  // namespace cola
