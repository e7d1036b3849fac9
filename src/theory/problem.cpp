#include "theory/problem.h"

#include <Eigen/QR>
#include <algorithm>

namespace cola::theory {
namespace {

constexpr std::uint64_t batch_streams = std::uint64_t{1} << 63;  // apart from those of the data

Matrix orthonormal_columns(Eigen::Index rows, Eigen::Index cols, RandomStream stream) {
  const Matrix normal = random_normal(rows, cols, stream);
  return Eigen::HouseholderQR<Matrix>(normal).householderQ() * Matrix::Identity(rows, cols);
}

}  // namespace

std::vector<DrawnExample> draw_batch(Eigen::Index examples, std::int64_t batch, RandomStream& stream) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(examples));
  // Cheaper than next_below, and no example is more probable than another by more than a share of n / 2^32.
  for (std::int64_t i = 0; i < batch; ++i)
    ++counts[(std::uint64_t{stream.next_u32()} * static_cast<std::uint64_t>(examples)) >> 32];
  std::vector<DrawnExample> drawn;
  drawn.reserve(std::min(counts.size(), static_cast<std::size_t>(batch)));
  for (Eigen::Index i = 0; i < examples; ++i) {
    if (const auto count = counts[static_cast<std::size_t>(i)]; count > 0) drawn.push_back({i, count});
  }
  return drawn;
}

RandomStream data_stream(std::uint64_t seed, std::uint64_t number) {
  return {seed, RandomPurpose::theory, number};
}

RandomStream batch_stream(std::uint64_t seed, std::int64_t batch, std::int64_t iterations,
                          std::int64_t step) {
  // 20 bits each for T and t, 23 for the batch: numbers above those share streams, which harms nothing.
  constexpr std::uint64_t mask = (std::uint64_t{1} << 20) - 1;
  const auto key = (static_cast<std::uint64_t>(batch) << 40) |
                   ((static_cast<std::uint64_t>(iterations) & mask) << 20) |
                   (static_cast<std::uint64_t>(step) & mask);
  return {seed, RandomPurpose::theory, batch_streams | key};
}

Matrix random_normal(Eigen::Index rows, Eigen::Index cols, RandomStream stream) {
  Matrix matrix(rows, cols);
  for (double& value : matrix.reshaped()) value = static_cast<double>(stream.next_normal());
  return matrix;
}

Matrix random_low_rank(Eigen::Index rows, Eigen::Index cols, Eigen::Index rank, double radius,
                       std::uint64_t seed, std::uint64_t number) {
  const Matrix left = orthonormal_columns(rows, rank, data_stream(seed, number));
  const Matrix right = orthonormal_columns(cols, rank, data_stream(seed, number + 1));
  return radius / static_cast<double>(rank) * left * right.transpose();
}

}  // namespace cola::theory
