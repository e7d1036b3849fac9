#include "lora/adapter_tensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "io/printable.h"
#include "lora/peft_format.h"

namespace cola {
namespace {

constexpr std::int64_t max_rank = 1 << 16;
constexpr auto largest = static_cast<double>(std::numeric_limits<float>::max());

double largest_magnitude(const Matrix& matrix) {
  double result = 0.0;
  for (const float value : matrix.floats()) result = std::max(result, std::abs(static_cast<double>(value)));
  return result;
}

/// Whether every element of scale B A is within f32. Only asked where a bound does not say so.
bool product_is_finite(const LoraModule& module) {
  const std::int64_t rank = module.rank();
  std::vector<double> row(static_cast<std::size_t>(module.a.cols()));
  for (std::int64_t out = 0; out < module.b.rows(); ++out) {
    std::ranges::fill(row, 0.0);
    const auto b = module.b.floats().subspan(static_cast<std::size_t>(out * rank));
    for (std::int64_t k = 0; k < rank; ++k) {
      const auto a = module.a.floats().subspan(static_cast<std::size_t>(k * module.a.cols()));
      const double factor = module.scale * static_cast<double>(b[static_cast<std::size_t>(k)]);
      if (std::abs(factor) > largest) return false;
      for (std::size_t in = 0; in < row.size(); ++in) row[in] += factor * static_cast<double>(a[in]);
    }
    if (std::ranges::any_of(row, [](double value) { return !(std::abs(value) <= largest); })) return false;
  }
  return true;
}

float rounded(float value, DType dtype) {
  if (dtype == DType::bf16) return static_cast<float>(BFloat16(value));
  if (dtype == DType::f16) return static_cast<float>(Float16(value));
  return value;
}

/// `key` without what PEFT puts around a layer's name: "layers.0.self_attn.q_proj" of
/// "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight".
std::string_view inner_name(std::string_view key) {
  key = key.substr(0, std::min(key.find(".lora_"), key.size()));
  const std::size_t layers = key.find("layers.");
  return key.substr(layers != std::string_view::npos ? layers : key.rfind('.') + 1);
}

}  // namespace

Matrix finite_matrix(const SourceTensor& tensor, const std::string& key, std::size_t dimensions) {
  if (tensor.shape.size() != dimensions || tensor.size() == 0) {
    throw Error(fmt::format(
        "{}: tensor '{}' has the shape [{}], where {} dimension{} expected (weights that were not "
        "gathered before they were saved look like this)",
        tensor.file, printable(key), fmt::join(tensor.shape, ", "), dimensions,
        dimensions == 1 ? " is" : "s are"));
  }
  require_finite(printable(key), tensor);
  Matrix matrix;
  matrix.resize(DType::f32, tensor.shape.size() == 2 ? tensor.shape[0] : 1, tensor.shape.back());
  read_as_f32(tensor, matrix.floats());
  return matrix;
}

void check_module(const LoraModule& module, const std::string& file) {
  const std::int64_t rank = module.rank();
  if (rank < 1 || rank > max_rank || module.b.cols() != rank) {
    throw Error(fmt::format("{}: '{}' has lora_A [{}, {}] and lora_B [{}, {}], which do not fit together",
                            file, module.name, rank, module.a.cols(), module.b.rows(), module.b.cols()));
  }
  const double scale = std::abs(module.scale);
  if (!(scale <= largest) || scale < static_cast<double>(std::numeric_limits<float>::min())) {
    throw Error(fmt::format("{}: '{}' has the scale {}, which is not a normal number in f32", file,
                            module.name, module.scale));
  }
  const double b = scale * largest_magnitude(module.b);
  const bool bounded = b <= largest && b * largest_magnitude(module.a) * static_cast<double>(rank) <= largest;
  if (bounded || product_is_finite(module)) return;
  throw Error(fmt::format("{}: '{}': the product of scale {}, lora_B and lora_A is beyond f32", file,
                          module.name, module.scale));
}

std::string expected_peft_key(const std::string& found, const BaseTensors* base) {
  const bool is_b = found.find("lora_B") != std::string::npos || found.find("lora_b") != std::string::npos ||
                    found.find("lora_up") != std::string::npos;
  const auto key = [&](const std::string& module) { return is_b ? peft_key_b(module) : peft_key_a(module); };
  const std::string inner(inner_name(found));
  if (base == nullptr) return key(inner.starts_with("layers.") ? "model." + inner : "<module>");
  std::string example;
  for (const auto& [name, tensor] : *base) {
    if (tensor.use == BaseTensor::Use::vector || !is_adaptable(*base, name)) continue;
    const std::string module = name.substr(0, name.rfind('.'));
    if (module == inner || module.ends_with("." + inner)) return key(module);
    if (example.empty() && tensor.use == BaseTensor::Use::block_linear) example = module;
  }
  return key(example.empty() ? "<module>" : example);
}

bool is_linear_but_head(const std::string& module, const BaseTensors* base) {
  if (base == nullptr) return module != "lm_head";
  const auto found = base->find(module + ".weight");
  return found != base->end() &&
         (found->second.use == BaseTensor::Use::block_linear || found->second.use == BaseTensor::Use::linear);
}

std::string difference(const SourceTensor& copy, const SourceTensor& base) {
  if (copy.shape != base.shape) {
    return fmt::format("its shape is [{}], the base model's [{}]", fmt::join(copy.shape, ", "),
                       fmt::join(base.shape, ", "));
  }
  constexpr std::int64_t at_once = 1 << 20;  // a head may have a thousand times as many
  std::vector<float> ours;
  std::vector<float> theirs;
  std::int64_t different = 0;
  double most = 0.0;
  for (std::int64_t begin = 0; begin < copy.size(); begin += at_once) {
    ours.resize(static_cast<std::size_t>(std::min(at_once, copy.size() - begin)));
    theirs.resize(ours.size());
    read_as_f32(copy, begin, ours);
    read_as_f32(base, begin, theirs);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      if (ours[i] == rounded(theirs[i], copy.dtype) || rounded(ours[i], base.dtype) == theirs[i]) continue;
      ++different;
      most = std::fmax(most, std::abs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i])));
    }
  }
  if (different == 0) return "";
  return fmt::format("{} of its {} values are not the base model's, by up to {:.3g}", different, copy.size(),
                     most);
}

}  // namespace cola
