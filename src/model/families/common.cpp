#include "model/families/common.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "core/error.h"

namespace cola {

std::int64_t positive(const JsonReader& reader, const std::string& key, std::int64_t limit) {
  const std::int64_t value = reader.integer(key);
  if (value < 1 || value > limit) {
    throw Error(fmt::format("{}: '{}' is {}, expected 1 to {}", reader.where(), key, value, limit));
  }
  return value;
}

std::int64_t positive(const JsonReader& reader, const std::string& key, std::int64_t limit,
                      std::int64_t fallback) {
  return reader.has(key) ? positive(reader, key, limit) : fallback;
}

double positive_number(const JsonReader& reader, const std::string& key, double fallback) {
  const double value = reader.number(key, fallback);
  if (!(value > 0.0) || !std::isfinite(value)) {
    throw Error(fmt::format("{}: '{}' is {}, expected a positive number", reader.where(), key, value));
  }
  return value;
}

double dropout_probability(const JsonReader& reader, const std::string& key, double fallback) {
  const double value = reader.number(key, fallback);
  if (!(value >= 0.0 && value < 1.0)) {
    throw Error(fmt::format("{}: '{}' is {}, expected a probability in [0, 1)", reader.where(), key, value));
  }
  return value;
}

namespace {

/// The row of the token table that is built as its padding; a negative one counts from the end. Null: none.
std::int32_t padding_index(const JsonReader& reader, std::int64_t vocabulary, std::int64_t fallback) {
  const bool absent = !reader.object().contains("pad_token_id");
  if (!absent && !reader.has("pad_token_id")) return -1;
  std::int64_t index = absent ? fallback : reader.integer("pad_token_id");
  if (!absent && index < 0) index += vocabulary;
  return index >= 0 && index < vocabulary ? static_cast<std::int32_t>(index) : -1;
}

}  // namespace

DecoderSpec read_common(const JsonReader& reader, std::int64_t pad_token_id) {
  DecoderSpec spec;
  spec.vocab_size = positive(reader, "vocab_size", max_rows);
  spec.hidden_size = spec.word_embed_proj_dim = positive(reader, "hidden_size", max_width);
  BlockSpec block;
  block.attention.num_attention_heads = positive(reader, "num_attention_heads", max_width);
  spec.set_blocks(positive(reader, "num_hidden_layers", 4096), block);
  spec.max_position_embeddings = positive(reader, "max_position_embeddings", max_rows);
  spec.padding_index = padding_index(reader, spec.vocab_size, pad_token_id);
  spec.attention_dropout = dropout_probability(reader, "attention_dropout", 0.0);
  return spec;
}

float default_score_scale(std::int64_t head_dim) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
}

void require_divisible(const JsonReader& reader, std::int64_t hidden_size, std::int64_t heads) {
  if (hidden_size % heads != 0) {
    throw Error(fmt::format("{}: hidden_size {} is not divisible by num_attention_heads {}", reader.where(),
                            hidden_size, heads));
  }
}

void require_activation(const JsonReader& reader, const std::string& key, const std::string& only,
                        const std::string& family) {
  const std::string activation = reader.string(key, only);
  if (activation == only) return;
  throw Error(
      fmt::format("{}: {} '{}' is not supported: {} uses {}", reader.where(), key, activation, family, only));
}

void ParameterList::begin(std::string prefix, std::int64_t block) {
  prefix_ = std::move(prefix);
  block_ = block;
}

void ParameterList::linear(ParameterRole role, const std::string& name, std::int64_t out, std::int64_t in,
                           bool bias) {
  add(role, name + ".weight", {out, in}, false);
  if (bias) add(role, name + ".bias", {out}, true);
}

void ParameterList::norm(ParameterRole role, const std::string& name, std::int64_t width, bool bias) {
  add(role, name + ".weight", {width}, false);
  if (bias) add(role, name + ".bias", {width}, true);
}

void ParameterList::add(ParameterRole role, const std::string& name, std::vector<std::int64_t> shape,
                        bool bias) {
  specs_.push_back({prefix_.empty() ? name : prefix_ + "." + name, std::move(shape), role, block_, bias});
}

}  // namespace cola
