#include "eval/question_batches.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace cola {
namespace {

/// Whether LongRoPE turns all candidates by the same factors, with their last tokens and without, which are
/// not computed where the prefix is shared: its keys could not serve both kinds.
bool can_share_prefix(const DecoderSpec& spec, const Question& question) {
  const auto all_turn_by = [&](bool long_factors) {
    return std::ranges::all_of(question.candidates, [&](const Example& candidate) {
      const auto length = std::ssize(candidate.ids);
      return turns_by_long_factors(spec.rotary_tables, length - 1) == long_factors &&
             turns_by_long_factors(spec.rotary_tables, length) == long_factors;
    });
  };
  return all_turn_by(false) || all_turn_by(true);
}

}  // namespace

void run_question_batches(ops::Context& context, const Decoder& model, DecoderActivations& activations,
                          std::span<const Question* const> questions, bool share_prefix,
                          std::int64_t batch_tokens,
                          const std::function<void(const QuestionBatch&, std::span<const std::size_t>,
                                                   std::span<const float>)>& use,
                          const std::function<void(std::int64_t, std::int64_t)>& each) {
  std::vector<bool> shares;
  std::vector<std::int64_t> tokens;
  for (const Question* question : questions) {
    shares.push_back(share_prefix && can_share_prefix(model.spec(), *question));
    tokens.push_back(question_tokens(*question, shares.back()));
  }
  std::vector<std::size_t> order(questions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t q) { return std::pair(bool{shares[q]}, tokens[q]); });

  std::vector<float> nll;
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    std::int64_t in_batch = 0;
    std::vector<const Question*> part;
    do {
      in_batch += tokens[order[end]];
      part.push_back(questions[order[end++]]);
    } while (end < order.size() && shares[order[end]] == shares[order[begin]] &&
             in_batch + tokens[order[end]] <= batch_tokens);
    const QuestionBatch batch = make_question_batch(part, shares[order[begin]]);
    const StepState step{context, batch.batch};
    nll.resize(batch.candidate_of.size());
    model.forward(step, activations);
    model.loss(step, activations, nll, {});
    use(batch, std::span(order).subspan(begin, end - begin), nll);
    begin = end;
    if (each) each(static_cast<std::int64_t>(end), static_cast<std::int64_t>(order.size()));
  }
}

}  // namespace cola
