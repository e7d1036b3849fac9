#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/random.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "lora/link.h"
#include "model/weights.h"
#include "support/tiny_opt.h"

namespace cola::test {

/// Random weights of `dtype` with their config.json.
inline void write_tiny_checkpoint(const std::filesystem::path& folder, DType dtype) {
  const DecoderSpec config = tiny_config();
  const Weights weights(config, 7, DType::f32);
  std::vector<TensorToWrite> tensors;
  for (const auto& parameter : weights.all()) {
    tensors.push_back({parameter->spec.name, dtype, parameter->spec.shape,
                       [&, from = parameter.get()](std::span<std::byte> bytes) {
                         const auto values = from->vector().data();
                         for (std::int64_t i = 0; i < from->spec.size(); ++i) {
                           if (dtype == DType::f32) reinterpret_cast<float*>(bytes.data())[i] = values[i];
                           if (dtype == DType::bf16)
                             reinterpret_cast<BFloat16*>(bytes.data())[i] = BFloat16(values[i]);
                           if (dtype == DType::f16)
                             reinterpret_cast<Float16*>(bytes.data())[i] = Float16(values[i]);
                         }
                       }});
  }
  std::filesystem::create_directories(folder);
  write_checkpoint(folder, tensors, std::int64_t{1} << 40);
  write_text_file(folder / "config.json", tiny_config_json().dump());
}

inline Matrix random_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t stream, float scale) {
  Matrix matrix(DType::f32, rows, cols);
  RandomStream random(3, RandomPurpose::benchmark, stream);
  for (float& value : matrix.floats()) value = scale * random.next_normal();
  return matrix;
}

/// A link on one projection of both blocks with the given rank and scale; A and B are random.
inline Link random_link(const std::string& projection, std::int64_t rank, double scale, std::uint64_t stream,
                        float size = 0.1F) {
  Link link;
  for (std::uint64_t block = 0; block < 2; ++block) {
    const std::string name = "model.decoder.layers." + std::to_string(block) + ".self_attn." + projection;
    link.modules.push_back({name, random_matrix(rank, 16, 4 * stream + 2 * block, size),
                            random_matrix(16, rank, 4 * stream + 2 * block + 1, size),
                            scale * static_cast<double>(rank), scale});
  }
  link.target_modules = {projection};
  return link;
}

/// sum over the link's module `name` of scale B A in double, [out][in] row-major; empty if it has no such
/// module.
inline std::vector<double> delta_of(const Link& link, const std::string& name) {
  std::vector<double> delta;
  for (const auto& module : link.modules) {
    if (module.name != name) continue;
    delta.resize(static_cast<std::size_t>(module.b.rows() * module.a.cols()));
    const auto a = module.a.floats();
    const auto b = module.b.floats();
    for (std::int64_t row = 0; row < module.b.rows(); ++row) {
      for (std::int64_t col = 0; col < module.a.cols(); ++col) {
        double sum = 0.0;
        for (std::int64_t k = 0; k < module.rank(); ++k) {
          sum += static_cast<double>(b[static_cast<std::size_t>(row * module.rank() + k)]) *
                 static_cast<double>(a[static_cast<std::size_t>(k * module.a.cols() + col)]);
        }
        delta[static_cast<std::size_t>(row * module.a.cols() + col)] = module.scale * sum;
      }
    }
  }
  return delta;
}

}  // namespace cola::test
