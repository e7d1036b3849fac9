#pragma once
#include "backend/op_table.h"

// The CPU's implementation of every op, each with the signature of the function of its name in ops. Ops that
// use others call these, which check nothing.
namespace cola::ops::cpu {

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
/// Backend's, of the linear ops.
[[nodiscard]] std::int64_t expansion_bytes(DType dtype, ConstMatrixView w);
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

}  // namespace cola::ops::cpu
