#include "io/quantized_weights.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/safetensors_writer.h"
#include "support/files.h"

namespace cola {
namespace {

class QuantizedWeights : public testing::Test {
 protected:
  void write(const std::string& tensor, const std::string& config) {
    const std::vector<float> values(4, 1.0F);
    const std::vector<TensorToWrite> tensors{
        tensor_of_floats("model.layers.0.self_attn.q_proj." + tensor, {2, 2}, values)};
    write_safetensors(folder_ / "model.safetensors", tensors);
    write_text_file(folder_ / "config.json", config);
  }
  std::string refusal() {
    try {
      (void)open_checkpoint(folder_.path());
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
  void expect_refusal(const std::string& method) {
    EXPECT_NE(refusal().find("its weights are quantised (" + method + ")"), std::string::npos) << refusal();
  }

  test::TemporaryFolder folder_;
};

TEST_F(QuantizedWeights, AreCalledWhatTheirTensorsAre) {
  for (const auto& [tensor, method] :
       {std::pair("g_idx", "GPTQ"), std::pair("qzeros", "GPTQ or AWQ"), std::pair("qweight", "GPTQ or AWQ"),
        std::pair("weight.absmax", "bitsandbytes, 4-bit"), std::pair("SCB", "bitsandbytes, 8-bit"),
        std::pair("weight_scale_inv", "FP8"), std::pair("scales", "mlx")}) {
    write(tensor, "{}");
    expect_refusal(method);
  }
}

TEST_F(QuantizedWeights, AreCalledWhatTheConfigurationSays) {
  write("qweight", R"({"quantization_config": {"quant_method": "awq", "bits": 4}})");
  expect_refusal("awq, 4-bit");
  write("weight.absmax",
        R"({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}})");
  expect_refusal("bitsandbytes, 4-bit");
}

TEST_F(QuantizedWeights, AreCalledThatWhereTheirDtypeCannotBeRead) {
  const std::string header = R"({"q_proj.weight":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  write_text_file(folder_ / "model.safetensors", file + header + "1234");
  write_text_file(folder_ / "config.json",
                  R"({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}})");
  expect_refusal("bitsandbytes, 4-bit");
  EXPECT_NE(refusal().find("dtype U8"), std::string::npos) << refusal();
  write_text_file(folder_ / "config.json", R"({"quantization": {"group_size": 64, "bits": 4}})");
  expect_refusal("mlx, 4-bit");
}

TEST_F(QuantizedWeights, AConfigurationThatAMergeLeftBehindDoesNotCount) {
  write("weight", R"({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}})");
  EXPECT_EQ(refusal(), "accepted");
}

}  // namespace
}  // namespace cola
