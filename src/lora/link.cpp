#include "lora/link.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "backend/lora.h"
#include "backend/update.h"
#include "core/error.h"
#include "core/random.h"

namespace cola {

std::int64_t Link::parameter_count() const {
  std::int64_t count = 0;
  for (const auto& module : modules) count += module.a.size() + module.b.size();
  for (const auto& bias : biases) count += bias.value.size();
  return count;
}

double Link::delta_norm(ops::Context& context) const {
  double sum = 0.0;
  Matrix delta;
  for (const auto& module : modules) {
    delta.resize(context.memory(), DType::f32, module.b.rows(), module.a.cols());
    delta.fill_zero();
    ops::lora_delta(context, module.a.view(), module.b.view(), static_cast<float>(module.scale),
                    delta.view());
    sum += ops::sum_of_squares(context, delta.floats());
  }
  return std::sqrt(sum);
}

Link moved_to(Memory& memory, Link link) {
  for (auto& module : link.modules) {
    module.a = Matrix::moved_to(memory, std::move(module.a));
    module.b = Matrix::moved_to(memory, std::move(module.b));
  }
  for (auto& bias : link.biases) bias.value = Matrix::moved_to(memory, std::move(bias.value));
  return link;
}

void initialise_link(Link& link, std::uint64_t seed, std::uint64_t draw) {
  std::uint64_t index = 0;
  for (auto& module : link.modules) {
    RandomStream random(seed, RandomPurpose::lora_a, (draw << 32) | index++);
    const float bound = 1.0F / std::sqrt(static_cast<float>(module.a.cols()));
    for (float& value : module.a.floats()) value = (2.0F * random.next_uniform() - 1.0F) * bound;
    module.b.fill_zero();
  }
}

namespace {

/// Appends scale B (columns) and A (rows) of `part` at rank offset `offset` of `whole`.
void place(const LoraModule& part, std::int64_t offset, LoraModule& whole) {
  const std::int64_t rank = part.rank();
  const FloatsOnHost a(part.a.memory(), part.a.floats());
  std::ranges::copy(a.values(), whole.a.floats().begin() + offset * whole.a.cols());
  const FloatsOnHost b(part.b.memory(), part.b.floats());
  const auto source = b.values();
  const auto destination = whole.b.floats();
  for (std::int64_t row = 0; row < part.b.rows(); ++row) {
    for (std::int64_t col = 0; col < rank; ++col) {
      destination[static_cast<std::size_t>(row * whole.b.cols() + offset + col)] = static_cast<float>(
          part.scale * static_cast<double>(source[static_cast<std::size_t>(row * rank + col)]));
    }
  }
}

}  // namespace

Link with_one_rank(Link link) {
  std::int64_t rank = 0;
  for (const auto& module : link.modules) rank = std::max(rank, module.rank());
  for (auto& module : link.modules) {
    if (module.rank() != rank || module.scale != 1.0) {
      LoraModule whole{module.name, Matrix(DType::f32, rank, module.a.cols()),
                       Matrix(DType::f32, module.b.rows(), rank), 0.0, 1.0};
      place(module, 0, whole);
      if (!std::ranges::all_of(whole.b.floats(), [](float value) { return std::isfinite(value); })) {
        throw Error(
            fmt::format("'{}': lora_B times its scale {} is not finite in f32", module.name, module.scale));
      }
      module = std::move(whole);
    }
    module.alpha = static_cast<double>(rank);
  }
  return link;
}

Link concatenate(std::span<const Link* const> links) {
  Link whole;
  std::map<std::string, std::vector<const LoraModule*>> parts;
  std::vector<std::string> order;
  for (const Link* link : links) {
    for (const auto& target : link->target_modules) {
      if (std::ranges::find(whole.target_modules, target) == whole.target_modules.end()) {
        whole.target_modules.push_back(target);
      }
    }
    for (const auto& module : link->modules) {
      auto& list = parts[module.name];
      if (list.empty()) order.push_back(module.name);
      list.push_back(&module);
    }
    if (!link->biases.empty()) {
      whole.biases.clear();
      for (const auto& bias : link->biases)
        whole.biases.push_back({bias.module, Matrix::copy_of(bias.value.view(), bias.value.memory())});
    }
  }
  for (const auto& name : order) {
    const auto& list = parts.at(name);
    std::int64_t rank = 0;
    for (const auto* part : list) rank += part->rank();
    LoraModule module{name, Matrix(DType::f32, rank, list.front()->a.cols()),
                      Matrix(DType::f32, list.front()->b.rows(), rank), static_cast<double>(rank), 1.0};
    std::int64_t offset = 0;
    for (const auto* part : list) {
      place(*part, offset, module);
      offset += part->rank();
    }
    whole.modules.push_back(std::move(module));
  }
  return whole;
}

}  // namespace cola
