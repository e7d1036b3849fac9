#pragma once
#include <cstdlib>
#include <string>
#include <vector>

#include "dist/ranks.h"

namespace cola::test {

/// A rank without the others: it has its number and what the others say, and sums nothing.
class NumberedRank final : public Ranks {
 public:
  NumberedRank(int rank, int size) : rank_(rank), size_(size) {}
  std::vector<std::string> others;  ///< what gather gives behind this rank's own text

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  void sum(std::span<double> /*figures*/, std::span<const std::span<float>> /*tensors*/) override {}
  [[nodiscard]] std::int64_t sum_bytes(std::int64_t elements) const override { return 8 * elements; }
  [[nodiscard]] std::vector<std::string> gather(const std::string& own) override {
    std::vector<std::string> all{own};
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }
  [[nodiscard]] bool all_have_failed() override { return true; }
  [[noreturn]] void abort(int exit_status) override { std::_Exit(exit_status); }

 private:
  int rank_, size_;
};

}  // namespace cola::test
