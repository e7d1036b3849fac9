#include <gtest/gtest.h>

#include <filesystem>

#include "support/files.h"
#include "support/jinja.h"
#include "text/chat/rendering.h"

// Published templates beside what transformers 5.24 and Jinja2 3.1.6 make of them.
namespace cola {
namespace {

using jinja::Dict;
using jinja::Error;
using jinja::Value;
using test::at_the_fixed_time;
using test::contents;
using test::member;
using test::spans_of;

ChatInput input_of(const Value& conversation, const Value& call, const Dict& special_tokens) {
  ChatInput input;
  input.messages = member(conversation, "messages");
  input.tools = member(conversation, "tools");
  input.documents = member(conversation, "documents");
  input.special_tokens = special_tokens;
  for (const auto& [key, value] : member(call, "kwargs").dict()->items) {
    const std::string& name = key.text()->bytes;
    if (name == "add_generation_prompt") {
      input.add_generation_prompt = jinja::is_true(value);
    } else if (name == "continue_final_message") {
      if (jinja::is_true(value))
        input.continued_field = value.text() != nullptr ? value.text()->bytes : "content";
    } else {
      input.keyword_arguments.set(key, value);
    }
  }
  return input;
}

/// Empty where the outcome is the expected one.
std::string difference(const ChatRenderer& renderer, const ChatInput& input, const Value& expected) {
  const Value& error = member(expected, "error");
  try {
    const jinja::Rendered rendered = renderer.render(input, at_the_fixed_time());
    if (!error.is_none()) return "rendered what is refused: " + member(error, "message").text()->bytes;
    const std::string& output = member(expected, "output").text()->bytes;
    if (rendered.text.bytes != output) return "got  " + rendered.text.bytes + "\nnot  " + output;
    const Value& spans = member(expected, "spans");
    if (spans.is_none()) return {};
    return jinja::are_equal(spans_of(rendered), spans) ? std::string() : "other spans";
  } catch (const Error& thrown) {
    if (error.is_none()) {
      return std::string("refused: ") + thrown.what() + " at " + std::to_string(thrown.place().line) + ":" +
             std::to_string(thrown.place().column);
    }
    const bool is_refusal = member(error, "kind").text()->bytes == "raise_exception";
    if (is_refusal != (thrown.kind() == Error::Kind::refusal))
      return std::string("other kind: ") + thrown.what();
    if (is_refusal && member(error, "message").text()->bytes != thrown.what())
      return std::string("other message: ") + thrown.what();
    return {};
  }
}

TEST(JinjaPublished, TemplatesRenderAsInTransformers) {
  const auto data = test::test_data();
  if (!data || !std::filesystem::exists(*data / "chat_templates"))
    GTEST_SKIP() << "COLA_TEST_DATA has no folder chat_templates";
  const std::filesystem::path folder = *data / "chat_templates";
  const Value conversations =
      member(jinja::value_of_json(contents(folder / "conversations.json")), "conversations");
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    SCOPED_TRACE(entry.path().filename().string());
    const Value expected =
        jinja::value_of_json(contents(std::filesystem::path(entry.path()).replace_extension(".json")));
    try {
      const ChatRenderer renderer(contents(entry.path()));
      for (const Value& one : member(expected, "cases").list()->items) {
        ++cases;
        const std::string& name = member(one, "conversation").text()->bytes;
        const ChatInput input =
            input_of(member(conversations, name.c_str()), one, *member(expected, "special_tokens").dict());
        EXPECT_EQ(difference(renderer, input, one), "") << name;
      }
    } catch (const Error& error) {
      ADD_FAILURE() << error.what() << " at " << error.place().line << ":" << error.place().column;
    }
  }
  EXPECT_GT(cases, 0);
}

}  // namespace
}  // namespace cola
