#pragma once
// A slow decoder (OPT, Llama) with its gradients, composed from the ops of backend/ref on a tape: what the
// engine of src/model is compared with. It shares no code with it: shapes come from config.json, weights from
// the file by their names, and the order of the backward from the tape. Number is double, or
// std::complex<double> to check the gradients themselves by complex steps.
#include <cmath>
#include <complex>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backend/ragged_batch.h"
#include "backend/ref/attention.h"
#include "backend/ref/cross_entropy.h"
#include "backend/ref/elementwise.h"
#include "backend/ref/embedding.h"
#include "backend/ref/linear.h"
#include "backend/ref/lora.h"
#include "backend/ref/norm.h"
#include "backend/ref/rotary.h"
#include "io/tensor_source.h"
#include "support/reference_shape.h"

namespace cola::test {

template <class Number>
using Tensors = std::map<std::string, std::vector<Number>>;

/// A LoRA on one linear layer; a [r, in], b [out, r].
template <class Number>
struct ReferenceLora {
  std::vector<Number> a, b;
  std::size_t rank = 0;
  double scale = 1.0;
};

/// Dropout as the engine keys it: hidden masks by 2 block + {0: attention, 1: MLP}, masks of the low-rank
/// branches by the number of the layer.
struct ReferenceDropout {
  double hidden = 0.0;
  double lora = 0.0;
  std::uint64_t seed = 0;
};

/// Every tensor of a checkpoint, as the file names it.
template <class Number = double>
Tensors<Number> reference_weights(const std::filesystem::path& folder) {
  Tensors<Number> weights;
  const auto source = open_checkpoint(folder);
  for (const auto& [name, tensor] : source->tensors()) {
    std::vector<float> values(static_cast<std::size_t>(tensor.size()));
    read_as_f32(tensor, values);
    weights[name].assign(values.begin(), values.end());
  }
  return weights;
}

template <class Number>
class ReferenceDecoder {
 public:
  ReferenceDecoder(const ReferenceShape& shape, Tensors<Number> initial)
      : weights(std::move(initial)), shape_(shape) {
    for (std::size_t position = 0; position < shape.positions && !shape.opt; ++position) {
      for (const double frequency : reference_frequencies(shape)) {
        cosines_.push_back(std::cos(static_cast<double>(position) * frequency));
        sines_.push_back(std::sin(static_cast<double>(position) * frequency));
      }
    }
  }

  /// Mean NLL of the batch's targets; `nll` holds each.
  Number forward(const RaggedBatch& batch, const ReferenceDropout& dropout = {}) {
    values_.clear();
    backward_.clear();
    batch_ = &batch;
    dropout_ = dropout;
    return head(blocks(embed()));
  }

  /// Gradients of the last forward's loss: of every weight, and as "<layer>.lora_A", "<layer>.lora_B".
  Tensors<Number> backward() {
    gradients_.clear();
    for (auto step = backward_.rbegin(); step != backward_.rend(); ++step) (*step)();
    return std::move(gradients_);
  }

  Tensors<Number> weights;
  std::map<std::string, ReferenceLora<Number>> lora;  ///< by layer name
  std::vector<Number> nll;

 private:
  struct Value {
    std::vector<Number> value, gradient;
  };

  Value* make(std::vector<Number> value) {
    values_.push_back({std::move(value), {}});
    values_.back().gradient.resize(values_.back().value.size());
    return &values_.back();
  }
  static void accumulate(std::vector<Number>& sum, const std::vector<Number>& term) {
    if (sum.empty()) sum.resize(term.size());
    for (std::size_t i = 0; i < term.size(); ++i) sum[i] += term[i];
  }
  [[nodiscard]] std::size_t tokens() const { return batch_->ids.size(); }

  Value* embedding(const std::string& name, std::vector<std::int32_t> ids, std::size_t cols) {
    const auto& table = weights.at(name);
    Value* y = make(ref::embedding_forward(table, ids, cols));
    backward_.push_back([this, y, name, ids = std::move(ids), cols, rows = table.size() / cols] {
      accumulate(gradients_[name], ref::embedding_backward(y->gradient, ids, rows, cols));
    });
    return y;
  }

  /// `index`: the engine's number of the layer, part of its dropout key. `keys`: of x's rows.
  Value* linear(const std::string& name, std::uint64_t index, Value* x, std::span<const std::uint64_t> keys,
                std::size_t in) {
    return linear(name, name + ".weight", index, x, keys, in);
  }
  Value* linear(const std::string& name, const std::string& weight_name, std::uint64_t index, Value* x,
                std::span<const std::uint64_t> keys, std::size_t in) {
    const auto& weight = weights.at(weight_name);
    const auto bias = weights.find(name + ".bias");
    const std::size_t rows = x->value.size() / in;
    const std::size_t out = weight.size() / in;
    Value* y = make(ref::linear_forward(
        x->value, weight, bias == weights.end() ? std::vector<Number>() : bias->second, rows, out, in));
    backward_.push_back([this, x, y, name, weight_name, rows, out, in, has_bias = bias != weights.end()] {
      const auto& dy = y->gradient;
      accumulate(gradients_[weight_name], ref::linear_backward_weight(dy, x->value, rows, out, in));
      if (has_bias) accumulate(gradients_[name + ".bias"], ref::linear_backward_bias(dy, rows, out));
      accumulate(x->gradient, ref::linear_backward_input(dy, weights.at(weight_name), rows, out, in));
    });
    const auto found = lora.find(name);
    if (found != lora.end()) {
      const ref::LoraSizes size{rows, in, out, found->second.rank};
      low_rank(name, found->second, size, dropout(x, RandomPurpose::lora_dropout, index, dropout_.lora, keys),
               y);
    }
    return y;
  }

  void low_rank(const std::string& name, const ReferenceLora<Number>& branch, const ref::LoraSizes& size,
                Value* x, Value* y) {
    auto forward = ref::lora_forward(size, x->value, branch.a, branch.b, branch.scale);
    accumulate(y->value, forward.added_y);
    backward_.push_back([this, name, &branch, size, x, y, u = std::move(forward.u)] {
      const auto result =
          ref::lora_backward(size, y->gradient, x->value, u, branch.a, branch.b, branch.scale);
      accumulate(gradients_[name + ".lora_A"], result.da);
      accumulate(gradients_[name + ".lora_B"], result.db);
      accumulate(x->gradient, result.added_dx);
    });
  }

  Value* dropout(Value* x, RandomPurpose purpose, std::uint64_t site, double probability,
                 std::span<const std::uint64_t> keys) {
    if (probability == 0.0) return x;
    const std::size_t cols = x->value.size() / keys.size();
    const std::uint64_t stream = (static_cast<std::uint64_t>(purpose) << 32) | site;
    std::vector<double> mask;
    Value* y = make(x->value);
    for (std::size_t i = 0; i < x->value.size(); ++i) {
      mask.push_back(ref::dropout_factor(dropout_.seed, stream, probability, keys[i / cols], i % cols));
      y->value[i] *= mask.back();
    }
    backward_.push_back([x, y, mask = std::move(mask)] {
      for (std::size_t i = 0; i < mask.size(); ++i) x->gradient[i] += mask[i] * y->gradient[i];
    });
    return y;
  }

  Value* norm(const std::string& name, Value* x) {
    const auto kind = shape_.opt ? ref::Norm::layer : ref::Norm::rms;
    const auto bias = shape_.opt ? weights.at(name + ".bias") : std::vector<Number>();
    Value* y =
        make(ref::norm_forward<Number>(kind, x->value, weights.at(name + ".weight"), bias, shape_.epsilon));
    backward_.push_back([this, kind, name, x, y] {
      const auto result = ref::norm_backward<Number>(kind, y->gradient, x->value,
                                                     weights.at(name + ".weight"), shape_.epsilon);
      accumulate(gradients_[name + ".weight"], result.dweight);
      if (shape_.opt) accumulate(gradients_[name + ".bias"], result.dbias);
      accumulate(x->gradient, result.dx);
    });
    return y;
  }

  Value* add(Value* a, Value* b) {
    Value* y = make(a->value);
    accumulate(y->value, b->value);
    backward_.push_back([a, b, y] {
      accumulate(a->gradient, y->gradient);
      accumulate(b->gradient, y->gradient);
    });
    return y;
  }

  Value* relu(Value* x) {
    Value* y = make(x->value);
    for (Number& value : y->value) value = ref::relu(value);
    backward_.push_back([x, y] {
      for (std::size_t i = 0; i < y->value.size(); ++i)
        x->gradient[i] += ref::relu_backward(y->gradient[i], y->value[i]);
    });
    return y;
  }

  Value* silu_gate(Value* gate, Value* up) {
    Value* y = make(up->value);
    for (std::size_t i = 0; i < y->value.size(); ++i)
      y->value[i] = ref::gate_forward(ops::Gate::silu, gate->value[i], up->value[i]);
    backward_.push_back([gate, up, y] {
      for (std::size_t i = 0; i < y->value.size(); ++i) {
        const auto result = ref::gate_backward(ops::Gate::silu, y->gradient[i], gate->value[i], up->value[i]);
        gate->gradient[i] += result.dgate;
        up->gradient[i] += result.dup;
      }
    });
    return y;
  }

  Value* rotate(Value* x) {
    if (shape_.opt) return x;
    Value* y = make(ref::rotary<Number>(x->value, shape_.head_dim, shape_.head_dim, batch_->positions,
                                        cosines_, sines_, false));
    backward_.push_back([this, x, y] {
      accumulate(x->gradient, ref::rotary<Number>(y->gradient, shape_.head_dim, shape_.head_dim,
                                                  batch_->positions, cosines_, sines_, true));
    });
    return y;
  }

  Value* attention(Value* q, Value* k, Value* v) {
    const ref::AttentionSizes sizes{shape_.heads, shape_.kv_heads, shape_.head_dim,
                                    1.0 / std::sqrt(static_cast<double>(shape_.head_dim))};
    Value* y = make(
        ref::attention_forward<Number>(sizes, batch_->offsets, batch_->prefixes, q->value, k->value, v->value)
            .out);
    backward_.push_back([this, sizes, q, k, v, y] {
      const auto result = ref::attention_backward<Number>(sizes, batch_->offsets, batch_->prefixes,
                                                          y->gradient, q->value, k->value, v->value);
      accumulate(q->gradient, result.dq);
      accumulate(k->gradient, result.dk);
      accumulate(v->gradient, result.dv);
    });
    return y;
  }

  Value* embed() {
    if (!shape_.opt) return embedding("model.embed_tokens.weight", batch_->ids, shape_.width);
    Value* x = embedding("model.decoder.embed_tokens.weight", batch_->ids, shape_.embedding);
    if (shape_.embedding != shape_.width) {
      x = linear("model.decoder.project_in", 1U << 24, x, batch_->token_keys, shape_.embedding);
    }
    auto positions = batch_->positions;
    for (auto& position : positions) position += 2;
    return add(x, embedding("model.decoder.embed_positions.weight", positions, shape_.width));
  }

  /// x + dropout(branch).
  Value* residual(Value* x, Value* branch, std::size_t site) {
    return add(x, dropout(branch, RandomPurpose::hidden_dropout, site, dropout_.hidden, batch_->token_keys));
  }

  Value* self_attention(const std::string& block, std::uint64_t first, Value* x) {
    const auto project = [&](const char* name, std::uint64_t place, Value* input, std::size_t in) {
      return linear(block + ".self_attn." + name, first + place, input, batch_->token_keys, in);
    };
    Value* q = rotate(project("q_proj", 0, x, shape_.width));
    Value* k = rotate(project("k_proj", 1, x, shape_.width));
    Value* v = project("v_proj", 2, x, shape_.width);
    return project(shape_.opt ? "out_proj" : "o_proj", 3, attention(q, k, v), shape_.heads * shape_.head_dim);
  }

  Value* mlp(const std::string& block, std::uint64_t first, Value* x) {
    const auto project = [&](const std::string& name, std::uint64_t place, Value* input, std::size_t in) {
      return linear(block + name, first + place, input, batch_->token_keys, in);
    };
    if (shape_.opt) {
      Value* hidden = relu(project(".fc1", 4, x, shape_.width));
      return project(".fc2", 5, hidden, hidden->value.size() / tokens());
    }
    Value* gate = project(".mlp.gate_proj", 4, x, shape_.width);
    Value* hidden = silu_gate(gate, project(".mlp.up_proj", 5, x, shape_.width));
    return project(".mlp.down_proj", 6, hidden, hidden->value.size() / tokens());
  }

  Value* blocks(Value* x) {
    for (std::size_t layer = 0; layer < shape_.layers; ++layer) {
      const std::string name =
          (shape_.opt ? "model.decoder.layers." : "model.layers.") + std::to_string(layer);
      const std::string norm1 = name + (shape_.opt ? ".self_attn_layer_norm" : ".input_layernorm");
      const std::string norm2 = name + (shape_.opt ? ".final_layer_norm" : ".post_attention_layernorm");
      const std::uint64_t first = layer * (shape_.opt ? 6 : 7);
      if (shape_.pre_norm) {
        x = residual(x, self_attention(name, first, norm(norm1, x)), 2 * layer);
        x = residual(x, mlp(name, first, norm(norm2, x)), 2 * layer + 1);
      } else {
        x = norm(norm1, residual(x, self_attention(name, first, x), 2 * layer));
        x = norm(norm2, residual(x, mlp(name, first, x), 2 * layer + 1));
      }
    }
    return x;
  }

  Value* loss_rows(Value* x) {
    std::vector<Number> rows;
    for (const std::int32_t row : batch_->loss_rows) {
      const auto begin =
          x->value.begin() + static_cast<std::ptrdiff_t>(row) * static_cast<std::ptrdiff_t>(shape_.width);
      rows.insert(rows.end(), begin, begin + static_cast<std::ptrdiff_t>(shape_.width));
    }
    Value* y = make(std::move(rows));
    backward_.push_back([this, x, y] {
      for (std::size_t i = 0; i < y->gradient.size(); ++i) {
        const auto row = static_cast<std::size_t>(batch_->loss_rows[i / shape_.width]);
        x->gradient[row * shape_.width + i % shape_.width] += y->gradient[i];
      }
    });
    return y;
  }

  Number head(Value* last) {
    const std::string root = shape_.opt ? "model.decoder" : "model";
    Value* x = loss_rows(last);
    if (shape_.final_norm) x = norm(root + (shape_.opt ? ".final_layer_norm" : ".norm"), x);
    std::vector<std::uint64_t> keys;
    for (const std::int32_t row : batch_->loss_rows)
      keys.push_back(batch_->token_keys[static_cast<std::size_t>(row)]);
    if (shape_.embedding != shape_.width)
      x = linear("model.decoder.project_out", (1U << 24) + 1, x, keys, shape_.width);
    const std::string table = shape_.tied ? root + ".embed_tokens.weight" : "lm_head.weight";
    Value* logits = linear("lm_head", table, (1U << 24) + 2, x, keys, shape_.embedding);
    nll = ref::negative_log_likelihoods(logits->value, batch_->targets);
    const double scale = 1.0 / static_cast<double>(nll.size());
    backward_.push_back([this, logits, scale] {
      accumulate(logits->gradient, ref::logit_gradient(logits->value, batch_->targets,
                                                       std::vector<double>(batch_->targets.size(), scale)));
    });
    Number sum{};
    for (const Number& value : nll) sum += value;
    return sum * scale;
  }

  ReferenceShape shape_;
  std::vector<double> cosines_, sines_;
  const RaggedBatch* batch_ = nullptr;
  ReferenceDropout dropout_;
  std::deque<Value> values_;
  std::vector<std::function<void()>> backward_;
  Tensors<Number> gradients_;
};

}  // namespace cola::test
