#include "bench/necessary_work.h"

#include <gtest/gtest.h>

#include "model/model_config.h"
#include "support/renamed_family.h"
#include "support/tiny_opt.h"

namespace cola {
namespace {

TEST(NecessaryWork, FlopsAreThoseOfThePublishedTable) {
  // 4 FLOPs a parameter and token of 1,024 tokens, head included: OPT-125m 0.51 TFLOP, TinyLlama-1.1B 4.2,
  // whose token table is looked up and no part of a product.
  const DecoderSpec opt = spec_of_shape("opt-125m");
  const DecoderSpec llama = spec_of_shape("tinyllama-1.1b");
  EXPECT_NEAR(4.0 * weights_by_rows(opt, 1024, 1024), 0.51e12, 0.005e12);
  EXPECT_NEAR(4.0 * weights_by_rows(llama, 1024, 1024), 4.2e12, 0.05e12);
  for (const auto& config : {opt, llama}) {
    const auto head = static_cast<double>(config.vocab_size * config.hidden_size);
    EXPECT_DOUBLE_EQ(weights_by_rows(config, 10, 10) - weights_by_rows(config, 10, 3), 7.0 * head);
  }
  // OPT-350m: what leads from the blocks to the head meets the head's rows only.
  const DecoderSpec projected = spec_of_shape("opt-350m");
  EXPECT_DOUBLE_EQ(weights_by_rows(projected, 0, 1), 50272.0 * 512.0 + 512.0 * 1024.0);
  EXPECT_EQ(weights_by_rows(test::renamed(projected), 3, 1), weights_by_rows(projected, 3, 1));
}

TEST(NecessaryWork, BytesOfAToken) {
  const DecoderSpec config = test::tiny_config();
  const double block = 4 * 16 * 16 + 2 * 16 * 24;
  const double vectors = 4 * 16 + 24 + 16 + 4 * 16;  // biases of projections and MLP, two norms
  const auto bytes = [](const DecoderSpec& spec, DType dtype) {
    return weight_bytes_of_token(spec, Weights(spec, 1, dtype));
  };
  EXPECT_EQ(bytes(config, DType::f32), 4 * (2 * (block + vectors) + 2 * 16 + 40 * 16));
  EXPECT_EQ(bytes(config, DType::bf16), 2 * (2 * block + 40 * 16) + 4 * (2 * vectors + 2 * 16));
  DecoderSpec untied = config;
  untied.tie_word_embeddings = false;  // as many: the head instead of the table
  EXPECT_EQ(bytes(untied, DType::f32), bytes(config, DType::f32));
}

}  // namespace
}  // namespace cola
