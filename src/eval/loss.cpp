#include "eval/loss.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace cola {

double LossSummary::perplexity() const { return std::exp(loss()); }
double LossSummary::token_accuracy() const {
  return static_cast<double>(correct) / static_cast<double>(loss_tokens);
}

LossSummary evaluate_loss(ops::Context& context, const Decoder& model, DecoderActivations& activations,
                          std::span<const Example> examples, std::int64_t batch_tokens,
                          const std::function<void(std::int64_t, std::int64_t)>& each) {
  std::vector<const Example*> order(examples.size());
  std::ranges::transform(examples, order.begin(), [](const Example& example) { return &example; });
  std::ranges::stable_sort(order, {}, [](const Example* example) { return example->ids.size(); });

  LossSummary summary;
  std::vector<float> nll;
  std::vector<std::uint8_t> correct;
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    std::int64_t tokens = 0;
    do {
      tokens += static_cast<std::int64_t>(order[end++]->ids.size());
    } while (end < order.size() &&
             tokens + static_cast<std::int64_t>(order[end]->ids.size()) <= batch_tokens);
    const auto chosen = std::span(order).subspan(begin, end - begin);
    const RaggedBatch batch = make_batch(chosen);
    const StepState step{context, batch};
    nll.resize(static_cast<std::size_t>(batch.loss_tokens()));
    correct.resize(nll.size());
    model.forward(step, activations);
    model.loss(step, activations, nll, correct);
    summary.nll_sum = weighted_sum(nll, loss_weights(chosen), summary.nll_sum);
    summary.correct += std::accumulate(correct.begin(), correct.end(), std::int64_t{0});
    summary.loss_tokens += batch.loss_tokens();
    summary.sequences += batch.sequences();
    begin = end;
    if (each) each(static_cast<std::int64_t>(end), static_cast<std::int64_t>(order.size()));
  }
  return summary;
}

}  // namespace cola
