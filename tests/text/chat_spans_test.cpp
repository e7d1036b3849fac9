#include "text/chat/spans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "support/chats.h"
#include "support/files.h"
#include "support/jinja.h"
#include "text/chat/turns.h"

namespace cola::test {
namespace {

TrainedChat render(const std::string& jinja, const ChatInput& chat) {
  return render_for_training(ChatRenderer(jinja), chat, {});
}
TrainedChat render(const std::string& jinja, const std::string& messages) {
  return render(jinja, chat_of(messages));
}
std::vector<std::string> remarks_of(const TrainedChat& chat) {
  std::vector<std::string> texts;
  for (const ChatRemark& remark : chat.remarks) texts.push_back(describe(remark));
  return texts;
}

const std::string two_turns = R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
                              R"({"role":"user","content":"c"},{"role":"assistant","content":"d"}])";

const std::string chatml =
    "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

TEST(ChatSpans, ATurnGoesFromThePromptToItsEnd) {
  const TrainedChat chat = render(chatml, two_turns);
  EXPECT_EQ(marked(chat),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n{b<|im_end|>}\n"
            "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n{d<|im_end|>}\n");
  EXPECT_TRUE(chat.remarks.empty());
  EXPECT_EQ(chat.spans[1].message, 3U);
  ASSERT_EQ(chat.texts.size(), 4U);
  EXPECT_EQ(chat.text.substr(chat.texts[2].begin, chat.texts[2].end - chat.texts[2].begin),
            "<|im_end|>\n<|im_start|>user\nc");
}

TEST(ChatSpans, TheTextMayOccurElsewhere) {
  EXPECT_EQ(
      marked(render(chatml, R"([{"role":"user","content":"assistant\nx<|im_end|>"},)"
                            R"({"role":"assistant","content":"assistant"}])")),
      "<|im_start|>user\nassistant\nx<|im_end|><|im_end|>\n<|im_start|>assistant\n{assistant<|im_end|>}\n");
}

TEST(ChatSpans, AnEmptyThinkingBlockIsTheTurns) {
  const std::string qwen3 =
      "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
      "{%- if m.role == 'assistant' and loop.last %}{{ '<think>\\n' + (m.reasoning_content or '') + "
      "'\\n</think>\\n\\n' }}{% endif %}{{ m.content + '<|im_end|>\\n' }}{% endfor %}"
      "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
      "{%- if enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}";
  EXPECT_EQ(
      marked(render(qwen3, two_turns)),
      "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n{b<|im_end|>}\n<|im_start|>user\nc<|im_end|>\n"
      "<|im_start|>assistant\n{<think>\n\n</think>\n\nd<|im_end|>}\n");
  // A server that asks without thinking writes the block itself.
  ChatInput chat = chat_of(two_turns);
  chat.keyword_arguments.set(jinja::Text("enable_thinking"), false);
  const TrainedChat quiet = render(qwen3, chat);
  EXPECT_TRUE(marked(quiet).ends_with("<think>\n\n</think>\n\n{d<|im_end|>}\n")) << marked(quiet);
  EXPECT_EQ(
      remarks_of(quiet),
      (std::vector<std::string>{"message 2 does not go on with all of the generation prompt, which ends in: "
                                "\"<think>\\n\\n</think>\\n\\n\""}));
  const TrainedChat thought =
      render(qwen3, R"([{"role":"user","content":"a"},{"role":"assistant","thinking":"t","content":"b"},)"
                    R"({"role":"user","content":"c"},{"role":"assistant","reasoning":"u","content":"d"}])");
  EXPECT_TRUE(marked(thought).ends_with("assistant\n{<think>\nu\n</think>\n\nd<|im_end|>}\n"))
      << marked(thought);
  EXPECT_EQ(remarks_of(thought),
            (std::vector<std::string>{"message 2 has reasoning that the template leaves out: \"t\""}));
}

TEST(ChatSpans, CallsAreTheTurnsAndAnswersAreNot) {
  // The answer of a tool has the name of the call, as in Gemma 4's template.
  const std::string jinja =
      "{%- for m in messages %}{%- if m.role == 'tool' %}{{ '<response>' + names[0] + ':' + m.content }}"
      "{%- elif m.role == 'assistant' %}{{ '<turn>assistant:' + (m.content or '') }}"
      "{%- for c in m.tool_calls or [] %}{{ '<call>' + c.function.name + (c.function.arguments | tojson) + "
      "'</call>' }}{%- if not loop.last %},{% endif %}{% endfor %}"
      "{%- if m.tool_calls and loop.nextitem is defined %}{{ '<wait><response>' + "
      "m.tool_calls[0].function.name + "
      "'>' }}{%- elif m.tool_calls %}{{ '<wait>' }}{% else %}{{ '<end>' }}{% endif %}"
      "{%- else %}{{ '<turn>user:' + m.content + '<end>' }}{% endif %}{% endfor %}"
      "{%- if add_generation_prompt and messages[-1].role != 'tool' %}{{ '<turn>assistant:' }}{% endif %}";
  ChatInput chat = chat_of(
      R"([{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":)"
      R"({"x":"y"}}}]},{"role":"tool","content":"r"},{"role":"assistant","content":"b"}])");
  chat.keyword_arguments.set(jinja::Text("names"), jinja::value_of_json(R"(["f"])"));
  EXPECT_EQ(marked(render(jinja, chat)),
            "<turn>user:a<end><turn>assistant:{<call>f{\"x\": \"y\"}</call><wait>}<response>f><response>f:r"
            "{<turn>assistant:b<end>}");
}

TEST(ChatSpans, WhatEndsTheLastTurnMayBeAnother) {
  const std::string jinja =
      "{%- for m in messages %}{{ '<|start|>' + m.role + '<|message|>' + m.content }}"
      "{%- if loop.last and m.role == 'assistant' %}{{ '<|return|>' }}{% else %}{{ '<|end|>' }}{% endif %}"
      "{% endfor %}{%- if add_generation_prompt %}{{ '<|start|>assistant<|message|>' }}{% endif %}";
  EXPECT_EQ(marked(render(jinja, two_turns)),
            "<|start|>user<|message|>a<|end|><|start|>assistant<|message|>{b<|end|>}"
            "<|start|>user<|message|>c<|end|><|start|>assistant<|message|>{d<|return|>}");
}

TEST(ChatSpans, ATurnThatIsNotEndedIsSaid) {
  const TrainedChat chat = render(
      "{%- for m in messages %}{{ '<' + m.role + '>' + m.content }}{% endfor %}"
      "{%- if add_generation_prompt %}<assistant>{% endif %}",
      two_turns);
  EXPECT_EQ(marked(chat), "<user>a<assistant>{b}<user>c<assistant>{d}");
  EXPECT_EQ(remarks_of(chat).front(), "message 2 is not ended by the template: no loss falls on an end");
}

TEST(ChatSpans, WhatIsLeftOutMovedOrTwiceIsSaid) {
  const std::string jinja =
      "{%- for m in messages if m.role == 'assistant' %}<a>{{ m.content[:3] }}</a>{% endfor %}"
      "{%- for m in messages if m.role == 'user' %}<u>{{ m.content + m.content }}</u>{% endfor %}"
      "{%- if add_generation_prompt %}<a>{% endif %}";
  const TrainedChat chat =
      render(jinja, R"([{"role":"system","content":"s"},{"role":"user","content":"ab"},)"
                    R"({"role":"assistant","content":"bcde","tool_calls":[{"function":{"name":"f"}}]}])");
  EXPECT_EQ(remarks_of(chat),
            (std::vector<std::string>{"message 1 is left out by the template: \"s\"",
                                      "message 2 is printed more than once: \"ab\"",
                                      "message 3 is left out in part by the template: \"bcde\"",
                                      "message 3 has tool calls that the template leaves out",
                                      "message 3 stands among other messages' text: no loss falls on it"}));
  EXPECT_TRUE(chat.spans.empty());
}

TEST(ChatSpans, GenerationBlocksCount) {
  const std::string jinja =
      "{%- for m in messages %}{%- if m.role == 'assistant' %}<a>{% generation %}{{ m.content }}</a>"
      "{% endgeneration %}{% else %}<u>{{ m.content }}</u>{% endif %}{% endfor %}"
      "{%- generation %}</s>{% endgeneration %}";
  const TrainedChat chat = render(jinja, two_turns);
  EXPECT_EQ(marked(chat), "<u>a</u><a>{b</a>}<u>c</u><a>{d</a>}{</s>}");
  EXPECT_EQ(chat.spans.back().message, 3U);
  const TrainedChat half = render(
      "{%- for m in messages %}{% generation %}{{ m.content if m.role == 'user' }}{% endgeneration %}"
      "{{ m.content if m.role == 'assistant' }}{% endfor %}",
      R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])");
  EXPECT_EQ(
      remarks_of(half),
      (std::vector<std::string>{
          "message 1 stands in the template's generation block: loss falls on it: \"a\"",
          "message 2 is printed outside the template's generation blocks: no loss falls on it: \"b\""}));
}

TEST(ChatSpans, AContinuedTurnIsOpen) {
  ChatInput chat = chat_of(R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])");
  chat.continued_field = "content";
  EXPECT_EQ(marked(render(chatml, chat)), "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n{b}");
}

TEST(ChatSpans, WhatEndsATurn) {
  EXPECT_EQ(end_of_turn(ChatRenderer(chatml), {}, {}), "<|im_end|>");
  EXPECT_EQ(end_of_turn(ChatRenderer("{{ messages[0].content }}"), {}, {}), "");
  EXPECT_EQ(end_of_turn(ChatRenderer("{{ raise_exception('no') }}"), {}, {}), "");
}

/// As the last message, the text is taken for line ends behind the block and left out.
TEST(ChatSpans, ATextThatIsNotPrintedWhereItIsLastEndsAsOthersDo) {
  const std::string qwen3 =
      "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
      "{%- if m.role == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' + "
      "m.content.lstrip('\\n') }}{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
      "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  EXPECT_EQ(marked(render(qwen3, R"([{"role":"user","content":"a"},{"role":"assistant","content":"\n"},)"
                                 R"({"role":"user","content":"c"}])")),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n{\n<|im_end|>}\n"
            "<|im_start|>user\nc<|im_end|>\n");
}

/// The rendered prefixes do not grow with the number of turns: the steps of the interpreter are linear.
TEST(ChatSpans, ManyTurnsNeedFewRenderings) {
  std::string messages = "[";
  for (int i = 0; i < 2000; ++i)
    messages += std::string(i > 0 ? "," : "") +
                (i % 2 == 0 ? R"({"role":"user","content":"a"})" : R"({"role":"assistant","content":"b"})");
  jinja::RenderOptions few;
  few.most_steps = 60'000;  // of each rendering
  const TrainedChat chat = render_for_training(ChatRenderer(chatml), chat_of(messages + "]"), few);
  EXPECT_EQ(chat.spans.size(), 1000U);
  EXPECT_TRUE(chat.remarks.empty());
}

/// Without white space.
std::string squeezed(std::string_view text) {
  std::string kept;
  for (const char c : text) {
    if (c != ' ' && c != '\n' && c != '\r') kept += c;
  }
  return kept;
}

std::string trained_text(const TrainedChat& chat) {
  std::string text;
  for (const ChatSpan& span : chat.spans) text += chat.text.substr(span.begin, span.end - span.begin);
  return squeezed(text);
}

/// Published templates with {% generation %}, by it and by origin. By origin what stands before a turn is
/// looked up in the generation prompt, which some blocks take in: that, and turns without any text, are all
/// that differs.
TEST(ChatSpans, BothWaysAgreeOnPublishedTemplates) {
  const auto data = test_data();
  if (!data || !std::filesystem::exists(*data / "chat_templates"))
    GTEST_SKIP() << "COLA_TEST_DATA has no folder chat_templates";
  const std::map<std::string, std::vector<std::string>> in_blocks = {
      {"laguna-xs.2", {"<assistant>", "</think>", "<think>"}},
      {"trl-qwen3-training", {"</think>", "<think>"}},
      {"trl-deepseekv3-training", {"<｜Assistant｜>", "<｜tool▁outputs▁end｜>"}}};
  // Of these a turn of calls alone has nothing but its end.
  const std::map<std::string, std::string> ends = {{"trl-llama3-training", "<|eot_id|>"},
                                                   {"trl-phi3.5-training", "<|end|>"}};
  const std::set<std::string> without_text = {"empty_contents", "no_content"};
  const jinja::Value conversations = member(
      jinja::value_of_json(contents(*data / "chat_templates" / "conversations.json")), "conversations");
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*data / "chat_templates")) {
    if (entry.path().extension() != ".jinja") continue;
    const std::string source = contents(entry.path());
    const ChatRenderer with_blocks(source);
    if (!with_blocks.has_generation_blocks()) continue;
    const std::string name = entry.path().stem().string();
    SCOPED_TRACE(name);
    const std::regex begin(R"((\{%-?\s*)generation(\s*-?%\}))");
    const std::regex ending(R"((\{%-?\s*)endgeneration(\s*-?%\}))");
    const ChatRenderer without(
        std::regex_replace(std::regex_replace(source, begin, "$1if true$2"), ending, "$1endif$2"));
    const jinja::Value expected =
        jinja::value_of_json(contents(std::filesystem::path(entry.path()).replace_extension(".json")));
    for (const jinja::Value& one : member(expected, "cases").list()->items) {
      if (member(one, "spans").is_none()) continue;
      const std::string conversation = member(one, "conversation").text()->bytes;
      if (without_text.contains(conversation)) continue;
      ChatInput input;
      input.messages = member(member(conversations, conversation), "messages");
      input.tools = member(member(conversations, conversation), "tools");
      input.documents = member(member(conversations, conversation), "documents");
      input.special_tokens = *member(expected, "special_tokens").dict();
      for (const auto& [key, value] : member(one, "kwargs").dict()->items)
        give(input, key.text()->bytes, value);
      const TrainedChat by_block = render_for_training(with_blocks, input, at_the_fixed_time());
      const TrainedChat by_origin = render_for_training(without, input, at_the_fixed_time());
      EXPECT_EQ(by_block.text, by_origin.text);
      std::string blocks = trained_text(by_block);
      std::string origin = trained_text(by_origin);
      if (const auto found = in_blocks.find(name); found != in_blocks.end()) {
        for (const std::string& text : found->second) {
          for (std::string* all : {&blocks, &origin})
            for (std::size_t at = 0; (at = all->find(text, at)) != std::string::npos;)
              all->erase(at, text.size());
        }
      }
      const auto end = ends.find(name);
      if (end != ends.end() && blocks.starts_with(end->second)) blocks.erase(0, end->second.size());
      EXPECT_EQ(blocks, origin) << conversation;
      ++compared;
    }
  }
  EXPECT_GT(compared, 200);
}

}  // namespace
}  // namespace cola::test
