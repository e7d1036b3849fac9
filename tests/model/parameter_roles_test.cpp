// Every parameter's role and block, and that a model works by these: not by what its tensors are called.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <stdexcept>
#include <tuple>

#include "model/decoder.h"
#include "model/model_config.h"
#include "support/batches.h"
#include "support/parity.h"
#include "support/renamed_family.h"

namespace cola {
namespace {

using enum ParameterRole;
using Roles = std::map<std::string, ParameterRole>;

const Roles opt_roles{{"embed_tokens", token_table},
                      {"embed_positions", position_table},
                      {"project_in", project_in},
                      {"layers.self_attn_layer_norm", attention_norm},
                      {"layers.self_attn.q_proj", query},
                      {"layers.self_attn.k_proj", key},
                      {"layers.self_attn.v_proj", value},
                      {"layers.self_attn.out_proj", attention_output},
                      {"layers.final_layer_norm", mlp_norm},
                      {"layers.fc1", up},
                      {"layers.fc2", down},
                      {"final_layer_norm", final_norm},
                      {"project_out", project_out}};

const Roles llama_roles{{"embed_tokens", token_table},
                        {"layers.input_layernorm", attention_norm},
                        {"layers.self_attn.q_proj", query},
                        {"layers.self_attn.k_proj", key},
                        {"layers.self_attn.v_proj", value},
                        {"layers.self_attn.o_proj", attention_output},
                        {"layers.post_attention_layernorm", mlp_norm},
                        {"layers.mlp.gate_proj", gate},
                        {"layers.mlp.up_proj", up},
                        {"layers.mlp.down_proj", down},
                        {"norm", final_norm},
                        {"lm_head", head}};

class ParameterRoles : public testing::TestWithParam<std::string> {
 protected:
  const DecoderSpec config = read_model_config(test::parity_folder(GetParam()));

  /// The module's name without the root and without the block's number, which is the second.
  static std::pair<std::string, std::int64_t> place_of(std::string module) {
    for (const std::string root : {"model.decoder.", "model."})
      if (module.starts_with(root)) module = module.substr(root.size());
    const std::string blocks = "layers.";
    if (!module.starts_with(blocks)) return {module, -1};
    const std::size_t dot = module.find('.', blocks.size());
    return {"layers" + module.substr(dot), std::stoll(module.substr(blocks.size(), dot - blocks.size()))};
  }

  static std::vector<float> logits(const DecoderSpec& of) {
    const Decoder model(of, Weights(of, 7, DType::f32));
    const std::vector<Example> examples{{{3, 14, 15, 9, 2}, {3, 14, 15, 9, 2}}};
    const RaggedBatch batch = test::packed(examples);
    ops::Context context;
    DecoderActivations activations;
    const StepState step{context, batch};
    model.forward(step, activations);
    std::vector<float> result(static_cast<std::size_t>(of.vocab_size));
    model.logits(step, activations, std::vector<std::int32_t>{4},
                 {result.data(), DType::f32, 1, of.vocab_size, of.vocab_size});
    return result;
  }
};

TEST_P(ParameterRoles, OfEveryParameter) {
  const Roles& roles = config.position_table ? opt_roles : llama_roles;
  for (const auto& spec : parameter_specs(config)) {
    const auto [name, block] = place_of(spec.module());
    ASSERT_TRUE(roles.contains(name)) << spec.name;
    EXPECT_EQ(spec.role, roles.at(name)) << spec.name;
    EXPECT_EQ(spec.block, block) << spec.name;
    EXPECT_EQ(spec.bias, spec.name == spec.module() + ".bias") << spec.name;
  }
}

TEST_P(ParameterRoles, AreUniqueInABlock) {
  std::set<std::tuple<ParameterRole, std::int64_t, bool>> seen;
  for (const auto& spec : parameter_specs(config))
    EXPECT_TRUE(seen.emplace(spec.role, spec.block, spec.bias).second) << spec.name;
}

TEST_P(ParameterRoles, LinearLayersAreWhatIsMultiplied) {
  std::vector<std::string> names;
  for (const auto& spec : linear_specs(config)) {
    EXPECT_TRUE(spec.is_matrix() && !spec.is_table() && !spec.bias) << spec.name;
    names.push_back(spec.module());
  }
  std::vector<std::string> expected;
  Decoder model(config, Weights(config, 7, DType::f32));
  for (const Linear* linear : model.linears()) expected.push_back(linear->name());
  EXPECT_EQ(names, expected);
  EXPECT_EQ(names.back(), "lm_head");
}

TEST_P(ParameterRoles, AHeadIsItsOwnWhereItIsUntied) {
  const ParameterSpec spec = head_spec(config);
  EXPECT_EQ(spec.name, "lm_head.weight");
  EXPECT_EQ(spec.shape, (std::vector<std::int64_t>{config.vocab_size, config.word_embed_proj_dim}));
  EXPECT_EQ(parameter_specs(config).back().role == head, !config.tie_word_embeddings);
  EXPECT_EQ(parameter_of(config, down, 1).block, 1);
  EXPECT_THROW((void)parameter_of(config, query_key_value, 0), std::out_of_range);
}

TEST_P(ParameterRoles, AModelIsTheSameUnderOtherNames) {
  EXPECT_EQ(logits(test::renamed(config)), logits(config));
}

INSTANTIATE_TEST_SUITE_P(Models, ParameterRoles, testing::ValuesIn(test::parity_models()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
