#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/sequence_pack.h"

namespace cola {

/// Tokenised sequences of several files, in one order. Copies share what is packed.
class Sequences {
 public:
  Sequences() = default;
  Sequences(const std::vector<Example>& examples);  // NOLINT(google-explicit-constructor): the same, packed
  explicit Sequences(SequencePack pack);

  void push_back(const Example& example);
  void append(const Sequences& more);  ///< of all that it has, whether or not it was selected from

  [[nodiscard]] std::size_t size() const { return is_selected_ ? selected_.size() : packed_size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::int64_t tokens(std::size_t i) const { return of(i).tokens; }
  [[nodiscard]] std::int64_t loss_tokens(std::size_t i) const { return of(i).loss_tokens; }
  /// Throws Error as SequencePack::at does.
  [[nodiscard]] Example operator[](std::size_t i) const;
  [[nodiscard]] std::vector<Example> all() const;
  [[nodiscard]] std::int64_t total_tokens() const;
  [[nodiscard]] std::int64_t total_loss_tokens() const;

  /// Sequences of these numbers alone.
  [[nodiscard]] Sequences select(std::vector<std::int64_t> numbers) const;
  /// Of ids, labels and weights: tells edited data. Reads none of them.
  [[nodiscard]] std::string digest() const;
  [[nodiscard]] std::span<const std::shared_ptr<SequencePack>> packs() const { return packs_; }

 private:
  [[nodiscard]] std::size_t packed_size() const { return ends_.empty() ? 0 : ends_.back(); }
  /// The pack of sequence i, and its number there.
  [[nodiscard]] std::pair<const SequencePack*, std::size_t> place_of(std::size_t i) const;
  [[nodiscard]] const PackedSequence& of(std::size_t i) const {
    const auto [pack, at] = place_of(i);
    return pack->index()[at];
  }
  /// One in memory that nobody shares, to add to.
  [[nodiscard]] SequencePack& open_pack();

  std::vector<std::shared_ptr<SequencePack>> packs_;
  std::vector<std::size_t> ends_;  ///< sequences of each pack and of those before it
  bool is_selected_ = false;
  std::vector<std::int64_t> selected_;  ///< numbers among those packed
};

}  // namespace cola
