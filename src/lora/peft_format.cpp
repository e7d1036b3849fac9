#include "lora/peft_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"
#include "io/printable.h"
#include "io/tensor_source.h"
#include "lora/adapter_tensors.h"
#include "lora/missing_targets.h"
#include "lora/peft_config.h"
#include "text/utf8.h"

namespace cola {
namespace {

const std::string root = "base_model.model.";
const std::string suffix_a = ".lora_A.weight";
const std::string suffix_b = ".lora_B.weight";

/// Tensors of other methods, by parts of their names.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> other_methods{{
    {".lora_magnitude_vector", "DoRA's magnitudes"},
    {".lora_diag", "KaSA's diagonal"},
    {".lora_embedding_", "an adapter on the token table"},
    {".lora_B.bias", "a bias of lora_B"},
    {"trainable_tokens_", "trained rows of the token table"},
    {".lora_monteclora_sampler.", "of MonteCLoRA, and monteclora_config is not set"},
    {".lora_velora_embed", "of VeLoRA, and velora_config is not set"},
    {".lora_E", "of AdaLoRA"},
    {".prompt_embeddings", "of prompt tuning"},
}};

/// "x" of "<root>x<suffix>".
std::optional<std::string> between(const std::string& key, const std::string& suffix) {
  if (!key.starts_with(root) || !key.ends_with(suffix) || key.size() < root.size() + suffix.size())
    return std::nullopt;
  return key.substr(root.size(), key.size() - root.size() - suffix.size());
}

/// The base model's parameter that PEFT puts a tensor in the place of, without what it puts around its name.
std::optional<std::string> base_parameter(const std::string& key) {
  for (const char* kind : {".weight", ".bias"}) {
    auto module = between(key, kind);
    if (!module || module->find(".lora_") != std::string::npos) continue;
    for (const std::string wrapper : {".base_layer", ".modules_to_save", ".modules_to_save.default"}) {
      if (module->ends_with(wrapper)) module->resize(module->size() - wrapper.size());
    }
    return *module + kind;
  }
  return std::nullopt;
}

class PeftReader {
 public:
  PeftReader(const PeftConfig& config, const TensorSource& source, const BaseTensors* base)
      : config_(config), source_(source), base_(base) {}

  Adapter read() {
    for (const auto& [key, tensor] : source_.tensors()) take(key, tensor);
    if (adapter_.link.modules.empty())
      throw Error(fmt::format("{}: the adapter has no lora_A and lora_B", file()));
    note_alphas();
    note_missing();
    note_biases();
    return std::move(adapter_);
  }

 private:
  [[nodiscard]] std::string file() const {
    return source_.tensors().empty() ? config_.file : source_.tensors().begin()->second.file;
  }

  void note(const std::string& text) {
    adapter_.notes.push_back(fmt::format("note: {}: {}", config_.file, text));
  }

  void take(const std::string& key, const SourceTensor& tensor) {
    require_utf8(key, tensor.file);  // patterns are matched with it, and a .bin file may hold any bytes
    const auto is_part = [&](std::string_view part) { return key.find(part) != std::string::npos; };
    if (std::ranges::any_of(config_.ignored_tensors, is_part)) return;
    if (const auto module = between(key, suffix_a)) return add_module(*module, key, tensor);
    if (const auto module = between(key, suffix_b)) {
      if (!source_.tensors().contains(peft_key_a(*module)))
        throw Error(fmt::format("{}: '{}' has no lora_A", tensor.file, printable(*module)));
      return;
    }
    for (const auto& [part, what] : other_methods) {
      if (is_part(part))
        throw Error(fmt::format("{}: tensor '{}' is not supported: {}", tensor.file, printable(key), what));
    }
    const auto parameter = base_parameter(key);
    if (!parameter || (base_ != nullptr && !is_adaptable(*base_, *parameter))) refuse_name(key, tensor);
    if (parameter->ends_with(".bias")) {
      add_bias(parameter->substr(0, parameter->size() - std::string(".bias").size()), key, tensor);
    } else {
      take_copy(key, *parameter, tensor);
    }
  }

  void add_bias(const std::string& module, const std::string& key, const SourceTensor& tensor) {
    auto& biases = adapter_.link.biases;
    if (std::ranges::find(biases, module, &TrainedBias::module) != biases.end())
      throw Error(fmt::format("{}: the bias of '{}' is there twice", tensor.file, printable(module)));
    biases.push_back({module, finite_matrix(tensor, key, 1)});
  }

  [[noreturn]] void refuse_name(const std::string& key, const SourceTensor& tensor) const {
    throw Error(fmt::format("{}: tensor '{}' is not part of a LoRA adapter{}: a name is expected as '{}'",
                            tensor.file, printable(key), base_ != nullptr ? " on this model" : "",
                            printable(expected_peft_key(key, base_))));
  }

  /// Without a base its name alone tells it.
  [[nodiscard]] bool is_head(const std::string& module) const {
    return base_ == nullptr ? module == "lm_head"
                            : base_->at(module + ".weight").use == BaseTensor::Use::head;
  }

  void add_module(const std::string& name, const std::string& key, const SourceTensor& tensor) {
    const auto b = source_.tensors().find(peft_key_b(name));
    if (b == source_.tensors().end())
      throw Error(fmt::format("{}: '{}' has no lora_B", tensor.file, printable(name)));
    if (base_ != nullptr && !is_adaptable(*base_, name + ".weight")) refuse_name(key, tensor);
    if (const auto field = config_.targets.left_out_by(name, is_linear_but_head(name, base_));
        !field.empty()) {
      throw Error(fmt::format("{}: '{}' gives '{}' no adapter, and {} has one for it", config_.file, field,
                              printable(name), tensor.file));
    }
    if (config_.ensure_weight_tying && is_head(name))
      throw Error(
          fmt::format("{}: 'ensure_weight_tying' is not supported for an adapter on the head", config_.file));
    LoraModule module{name, finite_matrix(tensor, key), finite_matrix(b->second, b->first),
                      config_.alpha_of(name).value, 0.0};
    const auto ranks = config_.ranks_of(name);
    if (!ranks.empty() && !ranks.contains(module.rank())) {
      throw Error(fmt::format("{}: '{}' has rank {}, but adapter_config.json says {}", tensor.file,
                              printable(name), module.rank(), fmt::join(ranks, " or ")));
    }
    module.scale = config_.scale_of(module.alpha, module.rank());
    check_module(module, tensor.file);
    adapter_.link.modules.push_back(std::move(module));
  }

  /// PEFT saves the frozen weight of a head or table beside an adapter on it, and both where the vocabulary
  /// was resized; modules_to_save are whole layers. They are nothing new where they are the base model's.
  void take_copy(const std::string& key, const std::string& parameter, const SourceTensor& tensor) {
    if (base_ == nullptr) {  // then the name alone says what it is
      const bool is_head_or_table =
          parameter == "lm_head.weight" || parameter.ends_with("embed_tokens.weight");
      if (!is_head_or_table) refuse_name(key, tensor);
      note(fmt::format(
          "tensor '{}' is taken to be a copy of the base model's '{}' and left out: without --model "
          "it is not compared",
          printable(key), printable(parameter)));
      return;
    }
    const std::string found = difference(tensor, *base_->at(parameter).tensor);
    if (!found.empty()) {
      throw Error(
          fmt::format("{}: tensor '{}' is not a copy of the base model's '{}', and whole weights in an "
                      "adapter{} are not supported: {}",
                      tensor.file, printable(key), printable(parameter),
                      config_.modules_to_save.empty() ? "" : " (modules_to_save)", found));
    }
    note(fmt::format("tensor '{}' is a copy of the base model's '{}', equal to it: nothing to apply",
                     printable(key), printable(parameter)));
  }

  void note_alphas() {
    std::optional<PeftConfig::Alpha> first;
    std::string module;
    std::int64_t count = 0;
    for (const auto& each : adapter_.link.modules) {
      const auto alpha = config_.alpha_of(each.name);
      if (alpha.other.empty()) continue;
      if (count++ == 0) {
        first = alpha;
        module = each.name;
      }
    }
    if (!first) return;
    note(fmt::format(
        "alpha_pattern has several keys for '{}': '{}' ({}) comes first in the file and is taken, before "
        "'{}'{}",
        printable(module), printable(first->key), first->value, printable(first->other),
        count > 1 ? fmt::format("; {} modules are like this", count) : ""));
  }

  void note_missing() {
    const auto missing = missing_targets(config_.targets, adapter_.link, base_);
    adapter_.link.target_modules =
        missing.empty() ? config_.targets.plain_names() : std::vector<std::string>();
    if (!missing.empty()) {
      note(fmt::format(
          "target_modules names {} module{} that the file has no tensors for, '{}'{}: left as the base "
          "model has {}",
          missing.size(), missing.size() == 1 ? "" : "s", printable(missing.front()),
          missing.size() == 1 ? "" : " first", missing.size() == 1 ? "it" : "them"));
    }
    for (const auto& saved : config_.modules_to_save) {
      const bool there = std::ranges::any_of(source_.tensors(), [&](const auto& entry) {
        return entry.first.find("." + saved + ".") != std::string::npos;
      });
      if (!there)
        note(fmt::format(
            "modules_to_save names '{}', of which the file has no tensor: left as the base model has it",
            printable(saved)));
    }
  }

  /// PEFT 0.15 trained biases of adapted layers, and did not save them.
  void note_biases() {
    if (config_.bias == "none") return;
    std::set<std::string> there;
    for (const auto& bias : adapter_.link.biases) there.insert(bias.module);
    std::vector<std::string> missing;
    const auto look = [&](const std::string& module) {
      if ((base_ == nullptr || base_->contains(module + ".bias")) && !there.contains(module))
        missing.push_back(module + ".bias");
    };
    if (config_.bias == "all" && base_ != nullptr) {
      for (const auto& [name, tensor] : *base_) {
        if (name.ends_with(".bias")) look(name.substr(0, name.size() - std::string(".bias").size()));
      }
    } else {
      for (const auto& module : adapter_.link.modules) look(module.name);
    }
    if (missing.empty()) return;
    note(
        fmt::format("bias is '{}', and the file lacks {} of the biases that were trained then, '{}' first: "
                    "these stay the base model's",
                    config_.bias, missing.size(), printable(missing.front())));
  }

  const PeftConfig& config_;
  const TensorSource& source_;
  const BaseTensors* base_;
  Adapter adapter_;
};

std::unique_ptr<TensorSource> open_tensors(const std::filesystem::path& folder) {
  const auto safetensors = folder / "adapter_model.safetensors";
  if (std::filesystem::exists(safetensors)) return open_safetensors(safetensors);
  const auto bin = folder / "adapter_model.bin";
  if (std::filesystem::exists(bin)) return open_torch_bin(bin);
  throw Error(
      fmt::format("{}: no adapter_model.safetensors and no adapter_model.bin beside adapter_config.json",
                  folder.string()));
}

}  // namespace

std::string peft_key_a(const std::string& module) { return root + module + suffix_a; }
std::string peft_key_b(const std::string& module) { return root + module + suffix_b; }
std::string peft_key_bias(const std::string& module) { return root + module + ".base_layer.bias"; }
std::string peft_key_plain_bias(const std::string& module) { return root + module + ".bias"; }

Adapter read_peft_adapter(const std::filesystem::path& folder, std::string_view config,
                          const BaseTensors* base) {
  const PeftConfig read = parse_peft_config(config, (folder / "adapter_config.json").string());
  const auto source = open_tensors(folder);
  return PeftReader(read, *source, base).read();
}

}  // namespace cola
