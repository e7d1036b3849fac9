#include "model/rotary_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/parallel.h"

namespace cola {
namespace {

/// Llama 3.1's rule: long wavelengths are divided by the factor, short ones kept, those between are blended.
double llama3_frequency(double frequency, const RopeScaling& scaling) {
  const auto original = static_cast<double>(scaling.original_max_position_embeddings);
  const double wavelength = 2.0 * std::numbers::pi / frequency;
  if (wavelength < original / scaling.high_freq_factor) return frequency;
  if (wavelength > original / scaling.low_freq_factor) return frequency / scaling.factor;
  const double smooth = (original / wavelength - scaling.low_freq_factor) /
                        (scaling.high_freq_factor - scaling.low_freq_factor);
  return (1.0 - smooth) * frequency / scaling.factor + smooth * frequency;
}

/// Grown by doubling, so that a sequence that gets longer token by token seldom makes the table anew.
std::int64_t rows_for(std::int64_t max_positions, std::int64_t positions) {
  constexpr std::uint64_t fewest = 1024;
  const auto doubled = std::bit_ceil(std::max(fewest, static_cast<std::uint64_t>(positions)));
  return std::min(static_cast<std::int64_t>(doubled), max_positions);
}

}  // namespace

std::vector<double> rotary_frequencies(const RotarySpec& spec) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < spec.rotary_dim / 2; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(spec.rotary_dim);
    const double frequency = std::pow(spec.theta, -exponent);
    switch (spec.scaling.kind) {
      case RopeScaling::Kind::none:
        frequencies.push_back(frequency);
        break;
      case RopeScaling::Kind::linear:
        frequencies.push_back(frequency / spec.scaling.factor);
        break;
      case RopeScaling::Kind::llama3:
        frequencies.push_back(llama3_frequency(frequency, spec.scaling));
        break;
    }
  }
  return frequencies;
}

void RotaryTable::reserve(std::int64_t positions) {
  if (positions <= cosines_.rows()) return;
  const auto frequencies = rotary_frequencies(spec_);
  const auto half = static_cast<std::int64_t>(frequencies.size());
  Matrix cosines(DType::f32, rows_for(max_positions_, positions), half);
  Matrix sines(DType::f32, cosines.rows(), half);
  parallel_for(cosines.rows(), 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t position = begin; position < end; ++position) {
      for (std::int64_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(position) * frequencies[static_cast<std::size_t>(i)];
        const auto index = static_cast<std::size_t>(position * half + i);
        cosines.floats()[index] = static_cast<float>(std::cos(angle));
        sines.floats()[index] = static_cast<float>(std::sin(angle));
      }
    }
  });
  cosines_ = Matrix::moved_to(*memory_, std::move(cosines));
  sines_ = Matrix::moved_to(*memory_, std::move(sines));
}

std::int64_t rotary_table_bytes(const DecoderSpec& spec, std::int64_t positions) {
  const std::int64_t rows = rows_for(spec.max_position_embeddings, positions);
  std::int64_t bytes = 0;
  for (const RotarySpec& table : spec.rotary_tables)
    bytes += rows * table.rotary_dim * static_cast<std::int64_t>(sizeof(float));
  return bytes;
}

}  // namespace cola
