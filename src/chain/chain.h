#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backend/context.h"
#include "core/matrix.h"
#include "lora/link.h"
#include "model/decoder.h"

namespace cola {

/// How a tied link goes on to act (method.md, 'Algorithm 2, exactly'): folded into the weights, or factored
/// beside them.
enum class TieMode : std::uint8_t { merge, stack };
[[nodiscard]] TieMode parse_tie_mode(std::string_view name);  ///< throws UsageError
[[nodiscard]] std::string_view name_of(TieMode mode);

/// Rank and alpha of a link to be begun.
struct LinkShape {
  std::int64_t rank = 8;
  double alpha = 16.0;
};

/// A chain of LoRAs on a model: tied links, frozen, and at most one live link, trained. The model's linear
/// layers see it through their branches and merged weights, which the chain keeps up to date. The model
/// outlives the chain.
class Chain {
 public:
  Chain(Decoder& model, TieMode mode);

  ~Chain() { clear(); }  // the model's layers point at the links
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  /// Adds a link as already tied, in the model's memory from here on. Throws Error naming a module that the
  /// model lacks or whose shape differs.
  void add_tied(ops::Context& context, Link link);

  /// Begins a live link, in the model's memory from here on, and zeroes its gradients. With train_a false, A
  /// gets no gradient (--freeze-a). The link's biases, if it has any, become the model's and are trained.
  void begin_live(Link link, bool train_a);

  /// Ties the live link: the network's output does not change but for one rounding of the weights (merge).
  void tie_live(ops::Context& context);

  /// Takes every link away: the model is the file's again.
  void clear();

  [[nodiscard]] const std::vector<Link>& tied() const { return tied_; }
  [[nodiscard]] bool has_live() const { return has_live_; }
  [[nodiscard]] Link& live() { return live_; }
  [[nodiscard]] const Link& live() const { return live_; }
  [[nodiscard]] std::vector<Matrix>& a_gradients() { return a_gradients_; }
  [[nodiscard]] std::vector<Matrix>& b_gradients() { return b_gradients_; }
  [[nodiscard]] TieMode mode() const { return mode_; }

  /// Tied links, then the live one.
  [[nodiscard]] std::vector<const Link*> links() const;
  /// links() as one adapter.
  [[nodiscard]] Link as_one() const { return concatenate(links()); }

 private:
  void check(const Link& link) const;
  void attach();
  void merge_tied(ops::Context& context, const Link& changed);
  void use_biases(Link& link);
  [[nodiscard]] Parameter* bias_of(const std::string& module) const;  ///< of any layer; null if it has none

  Decoder& model_;
  TieMode mode_;
  std::map<std::string, Linear*> linears_;
  std::vector<Link> tied_;
  Link live_;
  bool has_live_ = false;
  std::map<Parameter*, WeightValues> original_biases_;  ///< what the links' biases stand in for
  std::vector<Matrix> a_gradients_,
      b_gradients_;  ///< of live_.modules; an empty A gradient where A is frozen
};

/// A fresh link for the given linear layers: A and B allocated, not initialised. `train_biases`: with the
/// layers' own biases (--bias lora_only). Throws UsageError if the rank is above a matrix's smaller side.
[[nodiscard]] Link make_link(const std::vector<Linear*>& targets, const LinkShape& shape, bool train_biases);

/// A copy of a link with its own tensors, in the host's memory.
[[nodiscard]] Link copy_of(const Link& link);

}  // namespace cola
