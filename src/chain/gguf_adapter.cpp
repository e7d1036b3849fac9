// How llama.cpp reads adapters: docs/gguf.md.
#include "chain/gguf_adapter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "io/gguf/gguf_writer.h"
#include "model/family.h"
#include "model/gguf_tensors.h"
#include "model/parameter_spec.h"

namespace cola {
namespace {

/// A module at its place in a tensor of the base model's file.
struct Part {
  const LoraModule* module;
  std::int64_t first_row;
  std::vector<std::int64_t> row_order;  ///< gguf_row_order
};

/// The low-rank change of one tensor: of one module, or of those that are one matrix in the base's file.
struct Change {
  std::string tensor;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<Part> parts;

  [[nodiscard]] std::int64_t rank() const {
    std::int64_t sum = 0;
    for (const Part& part : parts) sum += part.module->rank();
    return sum;
  }
};

/// [rank, in]: the parts' A below each other.
void fill_a(const Change& change, std::span<std::byte> bytes) {
  std::byte* target = bytes.data();
  for (const Part& part : change.parts) {
    const auto source = std::as_bytes(part.module->a.floats());
    target = std::ranges::copy(source, target).out;
  }
}

/// [out, rank]: each part's scale B at its rows and its columns, zeros elsewhere.
void fill_b(const Change& change, std::span<std::byte> bytes) {
  std::vector<float> b(static_cast<std::size_t>(change.rows * change.rank()));
  std::int64_t first_col = 0;
  for (const Part& part : change.parts) {
    const LoraModule& module = *part.module;
    for (std::int64_t row = 0; row < module.b.rows(); ++row) {
      const std::int64_t from = part.row_order.empty() ? row : part.row_order[static_cast<std::size_t>(row)];
      for (std::int64_t col = 0; col < module.rank(); ++col) {
        const auto source = module.b.floats()[static_cast<std::size_t>(from * module.rank() + col)];
        const auto value = static_cast<float>(module.scale * static_cast<double>(source));
        if (!std::isfinite(value)) {
          throw Error(
              fmt::format("'{}': lora_B times its scale {} is not finite in f32", module.name, module.scale));
        }
        b[static_cast<std::size_t>((part.first_row + row) * change.rank() + first_col + col)] = value;
      }
    }
    first_col += module.rank();
  }
  std::ranges::copy(std::as_bytes(std::span(b)), bytes.begin());
}

const GgufFamily& gguf_of(const DecoderSpec& config) {
  if (config.family->gguf != nullptr) return *config.family->gguf;
  throw Error(fmt::format("{} models have no GGUF files here: use --format peft, or cola merge",
                          config.family->name));
}

/// The linear layer that a module is on.
ParameterSpec spec_of(const LoraModule& module, const std::vector<ParameterSpec>& linears) {
  const auto found = std::ranges::find(linears, module.name, &ParameterSpec::module);
  if (found == linears.end())
    throw Error(fmt::format("'{}' is no linear layer of the base model", module.name));
  const std::vector<std::int64_t> shape{module.b.rows(), module.a.cols()};
  if (found->shape == shape) return *found;
  throw Error(fmt::format("the adapter's '{}' is for a weight [{}], but the base model has [{}]", module.name,
                          fmt::join(shape, ", "), fmt::join(found->shape, ", ")));
}

/// Sorts modules into the tensors of the base model's file.
class Changes {
 public:
  Changes(const DecoderSpec& config, const GgufFile* base)
      : config_(config), base_(base), linears_(linear_specs(config)), head_(head_spec(config).name) {}

  void add(const LoraModule& module) {
    const ParameterSpec spec = spec_of(module, linears_);
    const bool only_tied = config_.family->gguf->head == GgufHead::tied;
    if (spec.name == head_ && (config_.tie_word_embeddings || only_tied)) {
      throw Error(
          fmt::format("'{}': the head is tied to the token table, and llama.cpp has no adapter for that: use "
                      "cola merge{}",
                      module.name, only_tied ? "" : " --format gguf"));
    }
    std::string name = gguf_name(spec);
    Part part{&module, 0, gguf_row_order(config_, spec)};
    std::int64_t rows = spec.shape.front();
    if (base_ != nullptr && base_->find(name) == nullptr) {
      name = name_of_fused(spec);
      const AttentionSpec& attention = config_.block(spec.block).attention;
      if (spec.role != ParameterRole::query) part.first_row = attention.query_width();
      if (spec.role == ParameterRole::value) part.first_row += attention.key_width();
      rows = attention.query_width() + 2 * attention.key_width();
    }
    auto change = std::ranges::find(changes_, name, &Change::tensor);
    if (change == changes_.end())
      change = changes_.insert(changes_.end(), {std::move(name), rows, spec.shape.back(), {}});
    change->parts.push_back(std::move(part));
  }

  [[nodiscard]] const std::vector<Change>& all() const { return changes_; }

 private:
  /// Of queries, keys or values that the base's file has in one matrix.
  [[nodiscard]] std::string name_of_fused(ParameterSpec spec) const {
    using enum ParameterRole;
    const std::string own = gguf_name(spec);
    if (spec.role == query || spec.role == key || spec.role == value) {
      spec.role = query_key_value;
      if (std::string fused = gguf_name(spec); base_->find(fused) != nullptr) return fused;
    }
    throw Error(fmt::format("{}: tensor '{}' is missing, to which the adapter belongs: use cola merge",
                            base_->keys().where(), own));
  }

  const DecoderSpec& config_;
  const GgufFile* base_;
  std::vector<ParameterSpec> linears_;
  std::string head_;
  std::vector<Change> changes_;
};

}  // namespace

void write_gguf_adapter(const std::filesystem::path& out, const Link& link, const DecoderSpec& config,
                        const GgufFile* base) {
  const GgufFamily& family = gguf_of(config);
  if (!link.biases.empty()) {
    throw Error(fmt::format(
        "'{}': the adapter has trained biases, which llama.cpp refuses: use cola merge --format gguf",
        link.biases.front().module));
  }
  Changes changes(config, base);
  for (const LoraModule& module : link.modules) changes.add(module);

  GgufMetadata keys;
  keys.add("general.type", GgufValue(std::string_view("adapter")));
  keys.add("general.architecture", GgufValue(family.architecture));
  keys.add("adapter.type", GgufValue(std::string_view("lora")));
  std::vector<TensorToWrite> tensors;
  for (const Change& change : changes.all()) {
    tensors.push_back({change.tensor + ".lora_a",
                       DType::f32,
                       {change.rank(), change.cols},
                       [&change](std::span<std::byte> bytes) { fill_a(change, bytes); }});
    tensors.push_back({change.tensor + ".lora_b",
                       DType::f32,
                       {change.rows, change.rank()},
                       [&change](std::span<std::byte> bytes) { fill_b(change, bytes); }});
  }
  write_gguf(out, keys, tensors);
}

}  // namespace cola
