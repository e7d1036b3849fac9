#pragma once
#include <span>
#include <vector>

#include "report/report_data.h"

namespace cola {

/// A point of a mean over seeds, with the lowest and the highest of them.
struct BandPoint {
  double step = 0.0, mean = 0.0, low = 0.0, high = 0.0;
};

/// Means over equal stretches of the curve, at most `most` points.
[[nodiscard]] std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& curve, std::size_t most);

/// The mean of curves over the steps that all of them span, at each step at which one of them has a point; a
/// curve counts there as the straight line between its own points. Of more than `most` steps the curves are
/// first thinned over the same stretches. Empty if no step lies within all curves. Steps must ascend.
[[nodiscard]] std::vector<BandPoint> seed_band(std::span<const std::vector<CurvePoint>* const> curves,
                                               std::size_t most);

}  // namespace cola
