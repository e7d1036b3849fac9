#pragma once
#include <functional>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "bench/timing.h"

namespace cola {

/// What a backend's hardware can at most do: what figures of the same run stand beside.
struct MachinePeak {
  ops::PeakRate multiply;
  double read_bytes_per_second = 0.0;
};

/// Takes about a second.
[[nodiscard]] MachinePeak measure_machine_peak(ops::Backend& backend, DType dtype);

/// The mean of each.
[[nodiscard]] MachinePeak mean_of(const MachinePeak& a, const MachinePeak& b);
/// The median of each, of at least one.
[[nodiscard]] MachinePeak median_of(const std::vector<MachinePeak>& peaks);

/// Takes the peak between pieces of work, so that each stands beside what the machine could do at its time: a
/// shared or throttled machine changes by more than what is to be told apart.
class PeakBetween {
 public:
  /// `measure` is called now, and after each piece.
  explicit PeakBetween(std::function<MachinePeak()> measure)
      : measure_(std::move(measure)), last_(measure_()) {}

  /// Runs work() and returns the peak around it: the mean of before and after.
  template <class Work>
  MachinePeak around(const Work& work) {
    work();
    MachinePeak after = measure_();
    around_.push_back(mean_of(last_, after));
    last_ = std::move(after);
    return around_.back();
  }

  [[nodiscard]] const std::vector<MachinePeak>& peaks() const { return around_; }  ///< of each piece so far

 private:
  std::function<MachinePeak()> measure_;
  MachinePeak last_;
  std::vector<MachinePeak> around_;
};

}  // namespace cola
