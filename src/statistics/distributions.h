#pragma once

namespace cola {

[[nodiscard]] double normal_cdf(double z);
/// The z with normal_cdf(z) = p; p in (0, 1).
[[nodiscard]] double normal_quantile(double p);

/// P(T <= t) of Student's t with `degrees` > 0 degrees of freedom.
[[nodiscard]] double student_t_cdf(double t, double degrees);
/// The t with student_t_cdf(t) = p; p in (0, 1).
[[nodiscard]] double student_t_quantile(double p, double degrees);

}  // namespace cola
