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
                          const Sequences& examples, std::int64_t batch_tokens,
                          const std::function<void(std::int64_t, std::int64_t)>& each) {
  std::vector<std::size_t> order(examples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return examples.tokens(i); });

  LossSummary summary;
  std::vector<float> nll;
  std::vector<std::uint8_t> correct;
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    std::int64_t tokens = 0;
    std::vector<Example> taken;
    do {
      tokens += examples.tokens(order[end]);
      taken.push_back(examples[order[end++]]);
    } while (end < order.size() && tokens + examples.tokens(order[end]) <= batch_tokens);
    const std::vector<const Example*> chosen = pointers_to(taken);
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
