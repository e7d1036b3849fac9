#include "model/rotary_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numbers>

#include "core/error.h"
#include "core/parallel.h"

namespace cola {
namespace {

using Kind = RotarySpec::Kind;

/// Llama 3.1's rule: long wavelengths are divided by the factor, short ones kept, those between are blended.
double llama3_frequency(double frequency, const RotarySpec& spec) {
  const auto original = static_cast<double>(spec.original_max_position_embeddings);
  const double wavelength = 2.0 * std::numbers::pi / frequency;
  if (wavelength < original / spec.high_freq_factor) return frequency;
  if (wavelength > original / spec.low_freq_factor) return frequency / spec.factor;
  const double smooth =
      (original / wavelength - spec.low_freq_factor) / (spec.high_freq_factor - spec.low_freq_factor);
  return (1.0 - smooth) * frequency / spec.factor + smooth * frequency;
}

/// YaRN's rule by the frequency's index: kept where it turns beta_fast times and more in the original length,
/// divided by the factor where beta_slow times and less, blended along a ramp between.
void stretch_by_yarn(const RotarySpec& spec, std::vector<double>& frequencies) {
  const auto original = static_cast<double>(spec.original_max_position_embeddings);
  const auto width = static_cast<double>(spec.rotary_dim);
  const auto index_of = [&](double rotations) {
    return width * std::log(original / (rotations * 2.0 * std::numbers::pi)) / (2.0 * std::log(spec.theta));
  };
  double low = index_of(spec.beta_fast);
  double high = index_of(spec.beta_slow);
  if (spec.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, width - 1.0);
  if (low == high) high += 0.001;
  double index = 0.0;
  for (double& frequency : frequencies) {
    const double divided = std::clamp((index - low) / (high - low), 0.0, 1.0);
    frequency = (1.0 - divided) * frequency + divided * frequency / spec.factor;
    index += 1.0;
  }
}

double yarn_scale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

std::int64_t rows_a_position(const RotarySpec& spec) { return spec.kind == Kind::longrope ? 2 : 1; }

/// Grown by doubling, so that a sequence that gets longer token by token seldom makes the table anew.
std::int64_t rows_for(const RotarySpec& spec, std::int64_t positions) {
  constexpr std::uint64_t fewest = 1024;
  const auto doubled = std::bit_ceil(std::max(fewest, static_cast<std::uint64_t>(positions)));
  return rows_a_position(spec) * std::min(static_cast<std::int64_t>(doubled), spec.max_position_embeddings);
}

/// [S]: whether each sequence turns by the long factors on account of its own length.
std::vector<bool> long_by_themselves(const RotarySpec& spec, const RaggedBatch& batch) {
  std::vector<bool> is_long;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const auto end = static_cast<std::size_t>(batch.offsets[s + 1]);
    is_long.push_back(batch.offsets[s] < batch.offsets[s + 1] &&
                      turns_by_long_factors(spec, batch.positions[end - 1] + 1));
  }
  return is_long;
}

/// Gives prefixes the factors of what continues them.
void agree_with_prefixes(const RaggedBatch& batch, std::vector<bool>& is_long) {
  std::vector<bool> seen(is_long.size(), false);
  for (std::size_t s = 0; s < batch.prefixes.size(); ++s) {
    if (batch.prefixes[s] < 0) continue;
    const auto prefix = static_cast<std::size_t>(batch.prefixes[s]);
    if (seen[prefix] && is_long[prefix] != is_long[s]) {
      throw Error(
          "sequences that share a prefix lie on both sides of longrope's original length: its keys "
          "cannot serve both");
    }
    seen[prefix] = true;
    is_long[prefix] = is_long[s];
  }
}

}  // namespace

std::vector<double> rotary_frequencies(const RotarySpec& spec, bool is_long) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; 2 * i < spec.rotary_dim; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(spec.rotary_dim);
    frequencies.push_back(std::pow(spec.theta, -exponent));
  }
  switch (spec.kind) {
    case Kind::plain:
      break;
    case Kind::linear:
      for (double& frequency : frequencies) frequency /= spec.factor;
      break;
    case Kind::llama3:
      for (double& frequency : frequencies) frequency = llama3_frequency(frequency, spec);
      break;
    case Kind::yarn:
      stretch_by_yarn(spec, frequencies);
      break;
    case Kind::longrope:
      std::ranges::transform(frequencies, is_long ? spec.long_factor : spec.short_factor, frequencies.begin(),
                             std::divides{});
      break;
  }
  return frequencies;
}

std::vector<float> rotary_divisors(const RotarySpec& spec) {
  RotarySpec plain = spec;
  plain.kind = RotarySpec::Kind::plain;
  const std::vector<double> before = rotary_frequencies(plain);
  const std::vector<double> after = rotary_frequencies(spec);
  std::vector<float> divisors;
  for (std::size_t i = 0; i < before.size(); ++i)
    divisors.push_back(static_cast<float>(before[i] / after[i]));
  return divisors;
}

double rotary_attention_factor(const RotarySpec& spec) {
  if (spec.attention_factor) return *spec.attention_factor;
  if (spec.kind == Kind::yarn) {
    if (!spec.mscale || !spec.mscale_all_dim) return yarn_scale(spec.factor, 1.0);
    return yarn_scale(spec.factor, *spec.mscale) / yarn_scale(spec.factor, *spec.mscale_all_dim);
  }
  if (spec.kind != Kind::longrope || spec.factor <= 1.0) return 1.0;
  return std::sqrt(1.0 + std::log(spec.factor) /
                             std::log(static_cast<double>(spec.original_max_position_embeddings)));
}

void RotaryTable::reserve(std::int64_t positions) {
  const std::int64_t sets = rows_a_position(spec_);
  if (positions * sets <= cosines_.rows()) return;
  const std::vector<double> frequencies = rotary_frequencies(spec_);
  const std::vector<double> long_frequencies = sets == 2 ? rotary_frequencies(spec_, true) : frequencies;
  const double scale = rotary_attention_factor(spec_);
  const auto count = std::ssize(frequencies);
  Matrix cosines(DType::f32, rows_for(spec_, positions), count);
  Matrix sines(DType::f32, cosines.rows(), count);
  parallel_for(cosines.rows(), 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto& of_row = row % sets == 0 ? frequencies : long_frequencies;
      const std::int64_t position = row / sets;
      for (std::int64_t i = 0; i < count; ++i) {
        const double angle = static_cast<double>(position) * of_row[static_cast<std::size_t>(i)];
        const auto index = static_cast<std::size_t>(row * count + i);
        cosines.floats()[index] = static_cast<float>(scale * std::cos(angle));
        sines.floats()[index] = static_cast<float>(scale * std::sin(angle));
      }
    }
  });
  cosines_ = Matrix::moved_to(*memory_, std::move(cosines));
  sines_ = Matrix::moved_to(*memory_, std::move(sines));
}

std::int64_t rotary_table_bytes(const RotarySpec& spec, std::int64_t positions) {
  const std::int64_t frequencies = (spec.rotary_dim + 1) / 2;
  return rows_for(spec, positions) * 2 * frequencies * static_cast<std::int64_t>(sizeof(float));
}

bool turns_by_long_factors(const RotarySpec& spec, std::int64_t length) {
  return spec.kind == Kind::longrope && length > spec.original_max_position_embeddings;
}

bool turns_by_long_factors(std::span<const RotarySpec> tables, std::int64_t length) {
  return std::ranges::any_of(tables,
                             [=](const RotarySpec& table) { return turns_by_long_factors(table, length); });
}

std::vector<std::int32_t> rotary_rows(const RotarySpec& spec, const RaggedBatch& batch, LongFactors rule) {
  std::vector<std::int32_t> rows(batch.positions);
  if (spec.kind != Kind::longrope) return rows;
  std::vector<bool> is_long = long_by_themselves(spec, batch);
  if (rule == LongFactors::by_sequence) {
    agree_with_prefixes(batch, is_long);
  } else if (turns_by_long_factors(spec, batch.longest) ||
             std::ranges::find(is_long, true) != is_long.end()) {
    is_long.assign(is_long.size(), true);
  }
  for (std::size_t s = 0; s < is_long.size(); ++s) {
    for (auto row = batch.offsets[s]; row < batch.offsets[s + 1]; ++row) {
      auto& index = rows[static_cast<std::size_t>(row)];
      index = 2 * index + (is_long[s] ? 1 : 0);
    }
  }
  return rows;
}

}  // namespace cola
