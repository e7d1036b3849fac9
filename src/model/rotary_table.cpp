#include "model/rotary_table.h"

#include <cmath>
#include <numbers>
#include <utility>

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

}  // namespace

std::vector<double> rotary_frequencies(const ModelConfig& config) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < config.head_dim / 2; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim);
    const double frequency = std::pow(config.rope_theta, -exponent);
    switch (config.rope_scaling.kind) {
      case RopeScaling::Kind::none:
        frequencies.push_back(frequency);
        break;
      case RopeScaling::Kind::linear:
        frequencies.push_back(frequency / config.rope_scaling.factor);
        break;
      case RopeScaling::Kind::llama3:
        frequencies.push_back(llama3_frequency(frequency, config.rope_scaling));
        break;
    }
  }
  return frequencies;
}

RotaryTable::RotaryTable(const ModelConfig& config, Memory& memory) {
  const auto frequencies = rotary_frequencies(config);
  const auto half = static_cast<std::int64_t>(frequencies.size());
  cosines_.resize(DType::f32, config.max_position_embeddings, half);
  sines_.resize(DType::f32, config.max_position_embeddings, half);
  for (std::int64_t position = 0; position < config.max_position_embeddings; ++position) {
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(position) * frequencies[static_cast<std::size_t>(i)];
      const auto index = static_cast<std::size_t>(position * half + i);
      cosines_.floats()[index] = static_cast<float>(std::cos(angle));
      sines_.floats()[index] = static_cast<float>(std::sin(angle));
    }
  }
  cosines_ = Matrix::moved_to(memory, std::move(cosines_));
  sines_ = Matrix::moved_to(memory, std::move(sines_));
}

}  // namespace cola
