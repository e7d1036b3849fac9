#pragma once
#include "backend/op_table.h"

// CUDA's implementation of every op, each with the signature of the function of its name in ops.
namespace cola::ops::cuda {

decltype(ops::attention_forward) attention_forward;
decltype(ops::attention_backward) attention_backward;
decltype(ops::attention_cached) attention_cached;
decltype(ops::transform_logits) transform_logits;
decltype(ops::cross_entropy_forward) cross_entropy_forward;
decltype(ops::cross_entropy_forward_backward) cross_entropy_forward_backward;
decltype(ops::fill_zero) fill_zero;
decltype(ops::add) add;
decltype(ops::scale) scale;
decltype(ops::relu_forward) relu_forward;
decltype(ops::relu_backward) relu_backward;
decltype(ops::gate_forward) gate_forward;
decltype(ops::gate_backward) gate_backward;
decltype(ops::dropout) dropout;
decltype(ops::convert) convert;
decltype(ops::embedding_forward) embedding_forward;
decltype(ops::embedding_backward) embedding_backward;
decltype(ops::gather_rows) gather_rows;
decltype(ops::scatter_rows) scatter_rows;
decltype(ops::linear_forward) linear_forward;
decltype(ops::linear_forward_together) linear_forward_together;
decltype(ops::linear_relu_forward) linear_relu_forward;
decltype(ops::linear_relu_backward) linear_relu_backward;
decltype(ops::linear_gate_forward) linear_gate_forward;
decltype(ops::linear_gate_backward) linear_gate_backward;
decltype(ops::linear_backward_input) linear_backward_input;
decltype(ops::linear_backward_weight) linear_backward_weight;
decltype(ops::linear_backward_bias) linear_backward_bias;
decltype(ops::lora_forward) lora_forward;
decltype(ops::lora_backward_b) lora_backward_b;
decltype(ops::lora_backward_a) lora_backward_a;
decltype(ops::lora_delta) lora_delta;
decltype(ops::layer_norm_forward) layer_norm_forward;
decltype(ops::layer_norm_backward) layer_norm_backward;
decltype(ops::rms_norm_forward) rms_norm_forward;
decltype(ops::rms_norm_backward) rms_norm_backward;
decltype(ops::rotary) rotary;
decltype(ops::adamw_update) adamw_update;
decltype(ops::sgd_update) sgd_update;
decltype(ops::adagrad_update) adagrad_update;
decltype(ops::zero_arrays) zero_arrays;
decltype(ops::squared_norm) squared_norm;

inline constexpr OpTable op_table = {
    .attention_forward = cuda::attention_forward,
    .attention_backward = cuda::attention_backward,
    .attention_cached = cuda::attention_cached,
    .transform_logits = cuda::transform_logits,
    .cross_entropy_forward = cuda::cross_entropy_forward,
    .cross_entropy_forward_backward = cuda::cross_entropy_forward_backward,
    .fill_zero = cuda::fill_zero,
    .add = cuda::add,
    .scale = cuda::scale,
    .relu_forward = cuda::relu_forward,
    .relu_backward = cuda::relu_backward,
    .gate_forward = cuda::gate_forward,
    .gate_backward = cuda::gate_backward,
    .dropout = cuda::dropout,
    .convert = cuda::convert,
    .embedding_forward = cuda::embedding_forward,
    .embedding_backward = cuda::embedding_backward,
    .gather_rows = cuda::gather_rows,
    .scatter_rows = cuda::scatter_rows,
    .linear_forward = cuda::linear_forward,
    .linear_forward_together = cuda::linear_forward_together,
    .linear_relu_forward = cuda::linear_relu_forward,
    .linear_relu_backward = cuda::linear_relu_backward,
    .linear_gate_forward = cuda::linear_gate_forward,
    .linear_gate_backward = cuda::linear_gate_backward,
    .linear_backward_input = cuda::linear_backward_input,
    .linear_backward_weight = cuda::linear_backward_weight,
    .linear_backward_bias = cuda::linear_backward_bias,
    .lora_forward = cuda::lora_forward,
    .lora_backward_b = cuda::lora_backward_b,
    .lora_backward_a = cuda::lora_backward_a,
    .lora_delta = cuda::lora_delta,
    .layer_norm_forward = cuda::layer_norm_forward,
    .layer_norm_backward = cuda::layer_norm_backward,
    .rms_norm_forward = cuda::rms_norm_forward,
    .rms_norm_backward = cuda::rms_norm_backward,
    .rotary = cuda::rotary,
    .adamw_update = cuda::adamw_update,
    .sgd_update = cuda::sgd_update,
    .adagrad_update = cuda::adagrad_update,
    .zero_arrays = cuda::zero_arrays,
    .squared_norm = cuda::squared_norm,
};

}  // namespace cola::ops::cuda
