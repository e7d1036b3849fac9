#include "model/gguf_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <stdexcept>
#include <string_view>

#include "model/family.h"
#include "model/rotary_table.h"

namespace cola {
namespace {

std::string_view stem_of(ParameterRole role) {
  using enum ParameterRole;
  switch (role) {
    case token_table:
      return "token_embd";
    case attention_norm:
      return "attn_norm";
    case query:
      return "attn_q";
    case key:
      return "attn_k";
    case value:
      return "attn_v";
    case query_key_value:
      return "attn_qkv";
    case query_norm:
      return "attn_q_norm";
    case key_norm:
      return "attn_k_norm";
    case attention_output:
      return "attn_output";
    case attention_output_norm:
      return "post_attention_norm";
    case mlp_norm:
      return "ffn_norm";
    case gate:
      return "ffn_gate";
    case up:
    case gate_up:
      return "ffn_up";
    case down:
      return "ffn_down";
    case mlp_output_norm:
      return "post_ffw_norm";
    case final_norm:
      return "output_norm";
    case head:
      return "output";
    case position_table:
    case project_in:
    case project_out:
      break;
  }
  throw std::logic_error("no GGUF tensor has this role");
}

bool is_norm(ParameterRole role) {
  using enum ParameterRole;
  return role == attention_norm || role == query_norm || role == key_norm || role == attention_output_norm ||
         role == mlp_norm || role == mlp_output_norm || role == final_norm;
}

}  // namespace

std::string gguf_name(const ParameterSpec& spec) {
  const std::string_view kind = spec.bias ? "bias" : "weight";
  if (spec.block < 0) return fmt::format("{}.{}", stem_of(spec.role), kind);
  return fmt::format("blk.{}.{}.{}", spec.block, stem_of(spec.role), kind);
}

std::vector<std::int64_t> gguf_row_order(const DecoderSpec& config, const ParameterSpec& spec) {
  const bool turns = spec.role == ParameterRole::query || spec.role == ParameterRole::key;
  if (!turns || config.family->gguf == nullptr || !config.family->gguf->interleaved_rotary) return {};
  const std::int64_t size = config.block(spec.block).attention.head_dim;
  std::vector<std::int64_t> order;
  for (std::int64_t row = 0; row < spec.shape.front(); ++row) {
    const std::int64_t in_head = row % size;
    order.push_back(row - in_head + in_head / 2 + in_head % 2 * (size / 2));
  }
  return order;
}

float gguf_offset(const DecoderSpec& config, const ParameterSpec& spec) {
  return is_norm(spec.role) && config.final_norm && config.final_norm->unit_offset ? 1.0F : 0.0F;
}

std::vector<TensorToWrite> gguf_rotary_tensors(const DecoderSpec& config) {
  std::vector<TensorToWrite> tensors;
  const auto add = [&](std::string name, std::vector<float> values) {
    const std::vector<std::int64_t> shape{std::ssize(values)};
    tensors.push_back(
        {std::move(name), DType::f32, shape, [kept = std::move(values)](std::span<std::byte> bytes) {
           std::ranges::copy(std::as_bytes(std::span(kept)), bytes.begin());
         }});
  };
  const RotarySpec& rotary = config.rotary_tables.front();
  if (rotary.kind == RotarySpec::Kind::llama3) add("rope_freqs.weight", rotary_divisors(rotary));
  if (rotary.kind == RotarySpec::Kind::longrope) {
    const auto floats = [](const std::vector<double>& factors) {
      return std::vector<float>(factors.begin(), factors.end());
    };
    add("rope_factors_long.weight", floats(rotary.long_factor));
    add("rope_factors_short.weight", floats(rotary.short_factor));
  }
  return tensors;
}

}  // namespace cola
