#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace cola {

/// The processes that train one model together, each with the whole model and its share of every batch, seen
/// from one of them. `sum` and `gather` are collective: all ranks make the same calls in the same order, and
/// each call waits for all. Both throw Error if another rank is lost.
class Ranks {
 public:
  Ranks() = default;
  virtual ~Ranks() = default;
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  [[nodiscard]] virtual int rank() const = 0;  ///< from 0; rank 0 is the one that writes and prints
  [[nodiscard]] virtual int size() const = 0;

  /// Replaces each element by its sum over the ranks, in the order of their numbers: the same bits on every
  /// rank and in every run. Of all ranks, `figures` have one length and the tensors, end to end, another.
  /// Tensors lie in the memory that the ranks train in: the host's, or a device's (device_ranks.h).
  virtual void sum(std::span<double> figures, std::span<const std::span<float>> tensors) = 0;
  /// Bytes that `sum` of so many elements allocates in that memory.
  [[nodiscard]] virtual std::int64_t sum_bytes(std::int64_t elements) const = 0;

  /// Every rank's text, by rank.
  [[nodiscard]] virtual std::vector<std::string> gather(const std::string& own) = 0;

  /// Of a rank that has failed: whether all have, waiting a moment for the others. If so, each may end by
  /// itself; if not, the others wait for this one in vain and `abort` has to end them.
  [[nodiscard]] virtual bool all_have_failed() = 0;
  /// Ends every rank at once, without unwinding.
  [[noreturn]] virtual void abort(int exit_status) = 0;
};

/// A process by itself: every sum is there already.
class OneProcess final : public Ranks {
 public:
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  void sum(std::span<double> /*figures*/, std::span<const std::span<float>> /*tensors*/) override {}
  [[nodiscard]] std::int64_t sum_bytes(std::int64_t /*elements*/) const override { return 0; }
  [[nodiscard]] std::vector<std::string> gather(const std::string& own) override { return {own}; }
  [[nodiscard]] bool all_have_failed() override { return true; }
  [[noreturn]] void abort(int exit_status) override;
};

/// [begin, end) of `count` items that a rank takes: contiguous, as even as can be, the first ranks having the
/// larger shares. Rank 0's is empty only if count is 0.
[[nodiscard]] std::pair<std::int64_t, std::int64_t> share_of(const Ranks& ranks, std::int64_t count);

}  // namespace cola
