#include "lora/adapter_tensors.h"

#include <gtest/gtest.h>

#include <cstring>

namespace cola {
namespace {

template <class T>
SourceTensor tensor_of(const std::vector<T>& values, DType dtype, std::vector<std::int64_t> shape) {
  return {dtype,
          std::move(shape),
          reinterpret_cast<const std::byte*>(values.data()),
          values.size() * sizeof(T),
          "file",
          false};
}

// A copy of the base's weight in the type that training had.
TEST(AdapterTensors, ACopyMayBeRoundedToEitherType) {
  const std::vector<float> full{0.1F, -2.7F, 1e-3F, 3.0F};
  std::vector<BFloat16> half;
  std::vector<Float16> other;
  for (const float value : full) half.emplace_back(value);
  for (const float value : full) other.emplace_back(value);
  const SourceTensor f32 = tensor_of(full, DType::f32, {2, 2});
  const SourceTensor bf16 = tensor_of(half, DType::bf16, {2, 2});
  const SourceTensor f16 = tensor_of(other, DType::f16, {2, 2});
  EXPECT_EQ(difference(f32, f32), "");
  EXPECT_EQ(difference(bf16, f32), "");
  EXPECT_EQ(difference(f32, bf16), "");
  EXPECT_EQ(difference(f16, f32), "");
  std::vector<float> changed = full;
  changed[3] = 3.5F;
  EXPECT_EQ(difference(tensor_of(changed, DType::f32, {2, 2}), bf16),
            "1 of its 4 values are not the base model's, by up to 0.5");
  EXPECT_EQ(difference(tensor_of(full, DType::f32, {4, 1}), f32),
            "its shape is [4, 1], the base model's [2, 2]");
}

TEST(AdapterTensors, TheExpectedNameIsOfALayerThatTheModelHas) {
  const SourceTensor matrix = tensor_of(std::vector<float>(4), DType::f32, {2, 2});
  const BaseTensors base{{"model.layers.0.self_attn.q_proj.weight", {&matrix, BaseTensor::Use::block_linear}},
                         {"lm_head.weight", {&matrix, BaseTensor::Use::head}}};
  const std::string expected = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
  for (const char* found :
       {"base_model.model.layers.0.self_attn.q_proj.lora_A.weight",
        "layers.0.self_attn.q_proj.lora_A.default.weight",
        "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight", "something"}) {
    EXPECT_EQ(expected_peft_key(found, &base), expected) << found;
  }
  EXPECT_EQ(expected_peft_key("lm_head.lora_B", &base), "base_model.model.lm_head.lora_B.weight");
}

}  // namespace
}  // namespace cola
