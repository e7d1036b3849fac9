#include "chain/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backend/elementwise.h"
#include "backend/lora.h"
#include "core/error.h"
#include "core/finite_values.h"

namespace cola {

TieMode parse_tie_mode(std::string_view name) {
  if (name == "merge") return TieMode::merge;
  if (name == "stack") return TieMode::stack;
  throw UsageError(fmt::format("unknown --tie '{}': use merge or stack", name));
}

std::string_view name_of(TieMode mode) { return mode == TieMode::merge ? "merge" : "stack"; }

Chain::Chain(Decoder& model, TieMode mode) : model_(model), mode_(mode) {
  for (Linear* linear : model.linears()) linears_[linear->name()] = linear;
}

Parameter* Chain::bias_of(const std::string& module) const {
  const auto& parameters = model_.weights().all();
  const auto found = std::ranges::find(parameters, module + ".bias",
                                       [](const auto& parameter) { return parameter->spec.name; });
  return found == parameters.end() ? nullptr : found->get();
}

void Chain::check(const Link& link) const {
  for (const auto& module : link.modules) {
    const auto linear = linears_.find(module.name);
    if (linear == linears_.end())
      throw Error(fmt::format("the adapter has module '{}', which the model lacks", module.name));
    if (module.a.cols() != linear->second->in_features() ||
        module.b.rows() != linear->second->out_features()) {
      throw Error(fmt::format("the adapter's '{}' is for a weight [{}, {}], the model's is [{}, {}]",
                              module.name, module.b.rows(), module.a.cols(), linear->second->out_features(),
                              linear->second->in_features()));
    }
  }
  for (const auto& bias : link.biases) {
    const Parameter* parameter = bias_of(bias.module);
    if (parameter == nullptr || parameter->value.plain().cols != bias.value.cols()) {
      throw Error(fmt::format("the adapter has a bias for '{}', which does not fit the model", bias.module));
    }
  }
}

void Chain::use_biases(Link& link) {
  for (auto& bias : link.biases) {
    Parameter* parameter = bias_of(bias.module);
    WeightValues before = std::exchange(parameter->value, bias.value.view());
    original_biases_.try_emplace(parameter, std::move(before));
  }
}

void Chain::add_tied(ops::Context& context, Link link) {
  check(link);
  tied_.push_back(moved_to(model_.weights().memory(), std::move(link)));
  use_biases(tied_.back());
  if (mode_ == TieMode::merge) merge_tied(context, tied_.back());
  attach();
}

void Chain::begin_live(Link link, bool train_a) {
  check(link);
  for (const auto& bias : link.biases) {
    if (std::ranges::find(link.modules, bias.module, &LoraModule::name) == link.modules.end()) {
      throw Error(
          fmt::format("a link to be trained has a bias of '{}', a layer that it does not adapt: such biases "
                      "are applied (--tied-link), not trained",
                      bias.module));
    }
  }
  Memory& memory = model_.weights().memory();
  live_ = moved_to(memory, std::move(link));
  has_live_ = true;
  a_gradients_.clear();
  b_gradients_.clear();
  for (const auto& module : live_.modules) {
    a_gradients_.push_back(train_a ? Matrix(DType::f32, module.a.rows(), module.a.cols(), memory) : Matrix());
    b_gradients_.emplace_back(DType::f32, module.b.rows(), module.b.cols(), memory);
  }
  use_biases(live_);
  for (auto& bias : live_.biases)
    bias_of(bias.module)->training = {Matrix(), Matrix(DType::f32, 1, bias.value.cols(), memory)};
  attach();
}

void Chain::tie_live(ops::Context& context) {
  for (auto& bias : live_.biases) bias_of(bias.module)->training.reset();
  tied_.push_back(std::move(live_));
  live_ = Link();
  has_live_ = false;
  a_gradients_.clear();
  b_gradients_.clear();
  if (mode_ == TieMode::merge) merge_tied(context, tied_.back());
  attach();
}

void Chain::clear() {
  for (auto& [parameter, value] : original_biases_) {
    parameter->value = std::move(value);
    parameter->training.reset();
  }
  original_biases_.clear();
  tied_.clear();
  live_ = Link();
  has_live_ = false;
  a_gradients_.clear();
  b_gradients_.clear();
  for (const auto& [name, linear] : linears_) linear->weight().use_original();
  attach();
}

void Chain::merge_tied(ops::Context& context, const Link& changed) {
  Matrix sum;
  for (const auto& module : changed.modules) {
    Linear& linear = *linears_.at(module.name);
    // Always from the untouched weight and all tied links, so that ties do not accumulate rounding.
    sum.resize(context.memory(), DType::f32, linear.out_features(), linear.in_features());
    model_.weights().read_original(context, linear.weight().parameter(), sum.view());
    for (const auto& link : tied_) {
      for (const auto& part : link.modules) {
        if (part.name != module.name) continue;
        ops::lora_delta(context, part.a.view(), part.b.view(), static_cast<float>(part.scale), sum.view());
      }
    }
    if (context.memory().is_host() && !all_finite(sum.floats()))
      throw Error(fmt::format("'{}': the weight and what is merged into it add up to more than f32 holds",
                              module.name));
    linear.weight().use(context, sum.view());
  }
}

void Chain::attach() {
  for (const auto& [name, linear] : linears_) linear->branches.clear();
  if (mode_ == TieMode::stack) {
    for (const auto& link : tied_) {
      for (const auto& module : link.modules) {
        linears_.at(module.name)
            ->branches.push_back(
                {&module.a, &module.b, static_cast<float>(module.scale), false, nullptr, nullptr});
      }
    }
  }
  for (std::size_t i = 0; i < live_.modules.size(); ++i) {
    const auto& module = live_.modules[i];
    linears_.at(module.name)
        ->branches.push_back({&module.a, &module.b, static_cast<float>(module.scale), true,
                              a_gradients_[i].empty() ? nullptr : &a_gradients_[i], &b_gradients_[i]});
  }
}

std::vector<const Link*> Chain::links() const {
  std::vector<const Link*> all;
  for (const auto& link : tied_) all.push_back(&link);
  if (has_live_) all.push_back(&live_);
  return all;
}

Link make_link(const std::vector<Linear*>& targets, const LinkShape& shape, bool train_biases) {
  Link link;
  for (Linear* linear : targets) {
    const std::int64_t limit = std::min(linear->out_features(), linear->in_features());
    if (shape.rank < 1 || shape.rank > limit) {
      throw UsageError(fmt::format("rank {} does not fit '{}' [{}, {}]: use 1 to {}", shape.rank,
                                   linear->name(), linear->out_features(), linear->in_features(), limit));
    }
    const auto rank = static_cast<double>(shape.rank);
    link.modules.push_back({linear->name(), Matrix(DType::f32, shape.rank, linear->in_features()),
                            Matrix(DType::f32, linear->out_features(), shape.rank), shape.alpha,
                            shape.alpha / rank});
    if (train_biases && linear->bias() != nullptr) {
      link.biases.push_back(
          {linear->name(), Matrix::copy_of(linear->bias()->value.plain(), *linear->bias()->memory)});
    }
  }
  return link;
}

Link copy_of(const Link& link) {
  const auto host_copy = [](const Matrix& matrix) { return Matrix::copy_of(matrix.view(), matrix.memory()); };
  Link copy;
  copy.target_modules = link.target_modules;
  for (const auto& module : link.modules) {
    copy.modules.push_back(
        {module.name, host_copy(module.a), host_copy(module.b), module.alpha, module.scale});
  }
  for (const auto& bias : link.biases) copy.biases.push_back({bias.module, host_copy(bias.value)});
  return copy;
}

}  // namespace cola
