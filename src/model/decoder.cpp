#include "model/decoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/backend.h"
#include "backend/elementwise.h"
#include "backend/embedding.h"
#include "core/error.h"

namespace cola {
namespace {

constexpr std::uint64_t project_in_index = std::uint64_t{1} << 24;  // after every block's layers
constexpr std::uint64_t project_out_index = project_in_index + 1;
constexpr std::uint64_t head_index = project_in_index + 2;

float embedding_scale(const DecoderSpec& spec, DType dtype) {
  const bool rounds = spec.rounds_embedding_scale && dtype == DType::bf16;
  return rounds ? static_cast<float>(BFloat16(spec.embedding_scale)) : spec.embedding_scale;
}

/// The batch's rows of a table of positions, which may have rows before position 0: OPT's has two.
std::vector<std::int32_t> position_rows(const DecoderSpec& spec, const ParameterSpec& table,
                                        const RaggedBatch& batch) {
  std::vector<std::int32_t> rows(batch.positions);
  const auto first = static_cast<std::int32_t>(table.shape.front() - spec.max_position_embeddings);
  for (auto& row : rows) row += first;
  return rows;
}

/// What project_out and the head need of the batch: they see only the rows that reach the head, and their
/// tokens key the dropout masks.
RaggedBatch head_batch(const RaggedBatch& batch, std::span<const std::int32_t> rows) {
  RaggedBatch head;
  for (const std::int32_t row : rows) {
    head.token_keys.push_back(batch.token_keys[static_cast<std::size_t>(row)]);
  }
  return head;
}

/// A host array that ops write: itself where they compute in the host's memory, else scratch of this name
/// that bring() copies from.
template <class T>
class WrittenForHost {
 public:
  WrittenForHost(ops::Context& context, const char* scratch, std::span<T> host)
      : memory_(context.memory()), host_(host), values_(host) {
    if (memory_.is_host() || host.empty()) return;
    const auto floats = static_cast<std::int64_t>((host.size_bytes() + sizeof(float) - 1) / sizeof(float));
    values_ = {static_cast<T*>(context.scratch(scratch, DType::f32, 1, floats).data), host.size()};
  }
  [[nodiscard]] std::span<T> values() const { return values_; }
  void bring() {
    if (values_.data() == host_.data()) return;
    memory_.download(std::as_bytes(values_).data(), std::as_writable_bytes(host_).data(), host_.size_bytes());
  }

 private:
  Memory& memory_;
  std::span<T> host_;
  std::span<T> values_;
};

}  // namespace

Decoder::Decoder(const DecoderSpec& spec, Weights weights) : spec_(spec), weights_(std::move(weights)) {
  tokens_ = &weights_.at(ParameterRole::token_table);
  lookup_ = {embedding_scale(spec_, weights_.compute_dtype()), spec_.padding_index};
  positions_ = weights_.find(ParameterRole::position_table);
  rotary_ = std::make_unique<std::vector<RotaryTable>>();
  for (const RotarySpec& table : spec_.rotary_tables) rotary_->emplace_back(table, weights_.memory());
  head_.emplace(head_spec(spec_).module(), head_index,
                spec_.tie_word_embeddings ? *tokens_ : weights_.at(ParameterRole::head),
                ops::LogitTransform{spec_.logit_scale, spec_.logit_soft_cap});
  if (spec_.has_projections()) {
    project_in_ = make_linear(weights_, ParameterRole::project_in, -1, project_in_index);
    project_out_ = make_linear(weights_, ParameterRole::project_out, -1, project_out_index);
  }
  for (std::int64_t index = 0; index < spec_.num_hidden_layers(); ++index)
    blocks_.emplace_back(spec_, weights_, index, *rotary_);
  if (spec_.final_norm) final_norm_.emplace(*spec_.final_norm, weights_, ParameterRole::final_norm);
  for (Linear* linear : linears()) {
    if (linear->bias() != nullptr) weights_.round(*linear->bias());
  }
}

std::vector<Linear*> Decoder::linears() {
  std::vector<Linear*> all;
  if (project_in_) all.push_back(&*project_in_);
  for (Block& block : blocks_) {
    const auto inner = block.linears();
    all.insert(all.end(), inner.begin(), inner.end());
  }
  if (project_out_) all.push_back(&*project_out_);
  all.push_back(&head_->linear());
  return all;
}

void Decoder::pack_weights() {
  for (Linear* linear : linears()) weights_.pack(linear->weight().parameter());
}

SequenceCache Decoder::make_cache(std::int64_t capacity) const {
  SequenceCache cache;
  for (std::int64_t index = 0; index < spec_.num_hidden_layers(); ++index) {
    const AttentionSpec& attention = spec_.block(index).attention;
    cache.emplace_back(weights_.memory(), weights_.compute_dtype(), capacity, attention.key_width(),
                       attention.window);
  }
  return cache;
}

std::int64_t Decoder::cache_bytes(std::int64_t capacity) const {
  std::int64_t elements = 0;
  for (std::int64_t index = 0; index < spec_.num_hidden_layers(); ++index) {
    const AttentionSpec& attention = spec_.block(index).attention;
    elements += 2 * KeyValueCache::rows(capacity, attention.window) * attention.key_width();
  }
  return elements * static_cast<std::int64_t>(size_of(weights_.compute_dtype()));
}

void Decoder::stream_weights(ops::Uploads& uploads) {
  std::vector<std::vector<ProductWeight*>> blocks;
  for (Block& block : blocks_) {
    auto& weights = blocks.emplace_back();
    for (Linear* linear : block.linears()) weights.push_back(&linear->weight());
  }
  stream_ = std::make_unique<WeightStream>(uploads, std::move(blocks));
}

/// Work that comes again with the next batch, but for masks that no step shares with another, and for
/// uploads.
void Decoder::repeatable(const StepState& step, std::string_view name,
                         const std::function<void()>& body) const {
  if (step.drops() || stream_ != nullptr) return body();
  step.context.backend().repeatable(step.context, name, step.batch.tokens(), body);
}

bool Decoder::embedding_trained() const {
  return tokens_->trained() || (positions_ != nullptr && positions_->trained()) ||
         (project_in_ && project_in_->trained());
}

std::size_t Decoder::first_trained_block() const {
  if (embedding_trained()) return 0;
  const auto first = std::ranges::find_if(blocks_, &Block::trained);
  return static_cast<std::size_t>(first - blocks_.begin());
}

void Decoder::embed(const StepState& step, DecoderActivations& activations, MatrixView x) const {
  auto& context = step.context;
  const RaggedBatch& batch = step.batch;
  if (project_in_) {
    activations.embedded.resize(context.memory(), x.dtype, x.rows, spec_.word_embed_proj_dim);
    ops::embedding_forward(context, tokens_->value.view(), batch.ids, activations.embedded.view(),
                           ops::Write::replace, lookup_);
    project_in_->forward(step, activations.embedded.view(), {}, x, activations.project_in);
  } else {
    ops::embedding_forward(context, tokens_->value.view(), batch.ids, x, ops::Write::replace, lookup_);
  }
  if (positions_ != nullptr)
    ops::embedding_forward(context, positions_->value.plain(), position_rows(spec_, positions_->spec, batch),
                           x, ops::Write::add);
}

void Decoder::embed_backward(const StepState& step, DecoderActivations& activations, MatrixView d) const {
  auto& context = step.context;
  const RaggedBatch& batch = step.batch;
  if (positions_ != nullptr && positions_->trained()) {
    ops::embedding_backward(context, d, position_rows(spec_, positions_->spec, batch),
                            positions_->gradient());
  }
  if (!project_in_) {
    if (tokens_->trained()) ops::embedding_backward(context, d, batch.ids, tokens_->gradient(), lookup_);
    return;
  }
  const MatrixView dembedded =
      tokens_->trained() ? context.scratch("decoder.dembedded", d.dtype, d.rows, spec_.word_embed_proj_dim)
                         : MatrixView{};
  project_in_->backward(step, d, activations.embedded.view(), activations.project_in, dembedded,
                        ops::Write::replace);
  if (tokens_->trained())
    ops::embedding_backward(context, dembedded, batch.ids, tokens_->gradient(), lookup_);
}

void Decoder::require_positions(const RaggedBatch& batch) const {
  const auto last = std::ranges::max_element(batch.positions);
  if (last == batch.positions.end()) return;
  if (*last >= spec_.max_position_embeddings) {
    throw Error(fmt::format("a sequence of {} tokens is longer than the model's {} positions", *last + 1,
                            spec_.max_position_embeddings));
  }
  for (RotaryTable& table : *rotary_) table.reserve(*last + 1);
}

StepState Decoder::turned_by(const StepState& step, DecoderActivations& activations) const {
  StepState turned = step;
  activations.rotary_rows.clear();
  const auto depends_on_length = [](const RotaryTable& table) {
    return table.spec().kind == RotarySpec::Kind::longrope;
  };
  if (std::ranges::none_of(*rotary_, depends_on_length)) return turned;
  const LongFactors rule = step.keep ? LongFactors::by_batch : LongFactors::by_sequence;
  for (const RotaryTable& table : *rotary_)
    activations.rotary_rows.push_back(rotary_rows(table.spec(), step.batch, rule));
  turned.rotary_rows = activations.rotary_rows;
  return turned;
}

void Decoder::forward(const StepState& step, DecoderActivations& activations,
                      std::span<SequenceCache* const> caches) const {
  require_positions(step.batch);
  const StepState turned = turned_by(step, activations);
  if (!caches.empty()) return run_blocks(turned, activations, caches);  // it makes them longer: once
  repeatable(turned, "forward", [&] { run_blocks(turned, activations, {}); });
}

std::size_t Decoder::block_after(std::size_t index, std::size_t first_kept) const {
  if (index + 1 < blocks_.size()) return index + 1;
  return first_kept < blocks_.size() ? index : 0;  // a backward begins where the forward ends
}

void Decoder::run_blocks(const StepState& step, DecoderActivations& activations,
                         std::span<SequenceCache* const> caches,
                         const std::function<void(const Block&, const BlockActivations&)>& each) const {
  const std::size_t first = step.keep ? first_trained_block() : blocks_.size();
  activations.blocks.resize(blocks_.size());
  activations.inputs.resize(blocks_.size());
  // The stream into block `index`, or out of the last: in a place of its own where a backward reads it.
  const auto stream = [&](std::size_t index) {
    Matrix& place = index >= first && index < blocks_.size() ? activations.inputs[index] : activations.x;
    place.resize(step.context.memory(), weights_.compute_dtype(), step.batch.tokens(), spec_.hidden_size);
    return place.view();
  };
  StepState passing = step;
  passing.keep = false;
  std::vector<KeyValueCache*> block_caches(caches.size());
  embed(step, activations, stream(0));
  for (std::size_t index = 0; index < blocks_.size(); ++index) {
    if (stream_ != nullptr) stream_->use(index, block_after(index, first));
    std::ranges::transform(caches, block_caches.begin(),
                           [=](SequenceCache* cache) { return &(*cache)[index]; });
    const bool keep = index >= first && !keeps_input_alone(step, index);
    BlockActivations& kept = keep && !step.recompute ? activations.blocks[index] : activations.shared;
    blocks_[index].forward(keep ? step : passing, stream(index), stream(index + 1), kept, block_caches);
    if (each) each(blocks_[index], kept);
  }
}

BlockActivations& Decoder::kept_of(const StepState& step, DecoderActivations& activations,
                                   std::size_t index) const {
  if (!step.recompute) return activations.blocks[index];
  if (keeps_input_alone(step, index))
    blocks_[index].forward(step, activations.inputs[index].view(), {}, activations.shared, {});
  return activations.shared;
}

ConstMatrixView Decoder::last_attention_input(const StepState& step, DecoderActivations& activations) const {
  return blocks_.back().attention_input(step, activations.inputs.back().view(), activations.blocks.back());
}

void Decoder::head_input(const StepState& step, DecoderActivations& activations,
                         std::span<const std::int32_t> rows) const {
  const auto count = static_cast<std::int64_t>(rows.size());
  const DType dtype = weights_.compute_dtype();
  activations.head_rows.resize(step.context.memory(), dtype, count, spec_.hidden_size);
  ops::gather_rows(step.context, activations.x.view(), rows, activations.head_rows.view());
  activations.head_normed.resize(step.context.memory(), dtype, count, spec_.hidden_size);
  if (final_norm_) {
    final_norm_->forward(step.context, activations.head_rows.view(), activations.head_normed.view(),
                         activations.head_norm);
  } else {
    ops::convert(step.context, activations.head_rows.view(), activations.head_normed.view());
  }
  activations.head_in.resize(step.context.memory(), dtype, count, spec_.word_embed_proj_dim);
  if (project_out_) {
    const RaggedBatch batch = head_batch(step.batch, rows);
    project_out_->forward(step.of(batch), activations.head_normed.view(), {}, activations.head_in.view(),
                          activations.project_out);
  } else {
    ops::convert(step.context, activations.head_normed.view(), activations.head_in.view());
  }
}

void Decoder::head_input_backward(const StepState& step, DecoderActivations& activations,
                                  ConstMatrixView dhead_in, MatrixView d) const {
  auto& context = step.context;
  const std::int64_t count = dhead_in.rows;
  ConstMatrixView dnormed = dhead_in;
  if (project_out_) {
    const MatrixView dx = context.scratch("decoder.dnormed", d.dtype, count, spec_.hidden_size);
    const RaggedBatch batch = head_batch(step.batch, step.batch.loss_rows);
    project_out_->backward(step.of(batch), dhead_in, activations.head_normed.view(), activations.project_out,
                           dx, ops::Write::replace);
    dnormed = dx;
  }
  if (final_norm_) {
    const MatrixView drows = context.scratch("decoder.drows", d.dtype, count, spec_.hidden_size);
    final_norm_->backward(context, dnormed, activations.head_rows.view(), activations.head_norm, drows,
                          ops::Write::replace);
    dnormed = drows;
  }
  ops::scatter_rows(context, dnormed, step.batch.loss_rows, d);
}

void Decoder::loss(const StepState& step, DecoderActivations& activations, std::span<float> nll,
                   std::span<std::uint8_t> correct) const {
  head_input(step, activations, step.batch.loss_rows);
  const RaggedBatch batch = head_batch(step.batch, step.batch.loss_rows);
  WrittenForHost<float> losses(step.context, "decoder.nll", nll);
  WrittenForHost<std::uint8_t> hits(step.context, "decoder.correct", correct);
  head_->loss(step.of(batch), activations.head_in.view(), step.batch.targets, losses.values(), hits.values());
  losses.bring();
  hits.bring();
}

void Decoder::blocks_backward(const StepState& step, DecoderActivations& activations, MatrixView d) const {
  const std::size_t first = first_trained_block();
  for (std::size_t index = blocks_.size(); index-- > first;) {
    if (stream_ != nullptr) stream_->use(index, index > first ? index - 1 : 0);
    blocks_[index].backward(step, d, activations.inputs[index].view(), kept_of(step, activations, index),
                            index > first || embedding_trained());
  }
  if (embedding_trained()) embed_backward(step, activations, d);
}

void Decoder::loss_and_backward(const StepState& step, DecoderActivations& activations,
                                std::span<const float> weights, std::span<float> nll) const {
  auto& context = step.context;
  head_input(step, activations, step.batch.loss_rows);
  const ConstMatrixView head_in = activations.head_in.view();
  const MatrixView dhead_in = context.scratch("decoder.dhead_in", head_in.dtype, head_in.rows, head_in.cols);
  const RaggedBatch batch = head_batch(step.batch, step.batch.loss_rows);
  WrittenForHost<float> losses(context, "decoder.nll", nll);
  head_->loss_and_backward(step.of(batch), head_in, step.batch.targets, weights, losses.values(), dhead_in);
  // The residual stream's own buffer takes its gradient: the forward's last value has been used.
  const MatrixView d = activations.x.view();
  head_input_backward(step, activations, dhead_in, d);
  const StepState turned = turned_by(step, activations);
  repeatable(turned, "backward", [&] { blocks_backward(turned, activations, d); });
  losses.bring();  // last: a device has been given all of the step by then
}

void Decoder::logits(const StepState& step, DecoderActivations& activations,
                     std::span<const std::int32_t> rows, MatrixView logits) const {
  head_input(step, activations, rows);
  const RaggedBatch batch = head_batch(step.batch, rows);
  head_->logits(step.of(batch), activations.head_in.view(), logits);
}

}  // namespace cola
