#include "statistics/distributions.h"

#include <cmath>
#include <numbers>
#include <unsupported/Eigen/SpecialFunctions>

namespace cola {

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

double normal_quantile(double p) { return Eigen::numext::ndtri(p); }

double student_t_cdf(double t, double degrees) {
  // Abramowitz and Stegun, 26.7.1 with 26.5.27: the tail is half an incomplete beta function.
  const double tail = 0.5 * Eigen::numext::betainc(0.5 * degrees, 0.5, degrees / (degrees + t * t));
  return t < 0.0 ? tail : 1.0 - tail;
}

double student_t_quantile(double p, double degrees) {
  if (p > 0.5) return -student_t_quantile(1.0 - p, degrees);
  double low = -1.0, high = 0.0;
  while (student_t_cdf(low, degrees) > p) low *= 2.0;
  for (int i = 0; i < 200 && low < high; ++i) {  // bisection ends where doubles do
    const double middle = 0.5 * (low + high);
    if (middle == low || middle == high) break;
    (student_t_cdf(middle, degrees) > p ? high : low) = middle;
  }
  return low;
}

}  // namespace cola
