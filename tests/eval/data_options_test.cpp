#include "eval/data_options.h"

#include <gtest/gtest.h>

#include "model/model_config.h"
#include "support/files.h"
#include "support/parity.h"

namespace cola {
namespace {

// A template is proposed, never taken by itself: a base model has learned no turns.
TEST(DataOptions, WithoutATemplateTheFamilysIsProposed) {
  const test::TemporaryFolder folder;
  const auto options_of = [&](const std::string& model) {
    return data_options({}, read_model_config(test::parity_folder(model)), folder.path(), nullptr);
  };
  for (const char* model : {"qwen2_untied", "qwen3_tied", "smollm3_layers"}) {
    const DataOptions options = options_of(model);
    EXPECT_FALSE(options.chat_format) << model;
    EXPECT_NE(options.no_chat_template.find("(chatml has the turns of "), std::string::npos)
        << options.no_chat_template;
  }
  EXPECT_EQ(options_of("llama_tiny").no_chat_template,
            "give --chat-template FILE, or llama2, llama3, chatml or plain");
}

}  // namespace
}  // namespace cola
