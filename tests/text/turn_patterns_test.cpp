#include "text/chat/turn_patterns.h"

#include <gtest/gtest.h>

#include "support/chats.h"
#include "support/files.h"
#include "support/jinja.h"
#include "text/chat/origins.h"

namespace cola::test {
namespace {

const std::vector<std::string> templates = {
    // ChatML
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    // trimmed, a block of thoughts in the last turn, others' taken out
    "{% for m in messages %}{{ '<|' + m.role + '|>' }}{% if m.role == 'assistant' %}{% if loop.last %}"
    "{{ '<think></think>' }}{% endif %}{{ m.content.split('</think>')[-1] | trim }}{% else %}"
    "{{ m.content | trim }}{% endif %}{{ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
    // a prompt that the text may go on with
    "{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% if m.role == 'assistant' %}</s>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<assistant>Well, ' }}{% endif %}",
    // what stands between texts depends on them
    "{% for m in messages %}{% if 'b' in m.content %}{{ '[long]' }}{% endif %}{{ m.role + ': ' + m.content + "
    "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
    // printed twice, left out, in another order, refused
    "{% for m in messages %}{{ m.role + ': ' + m.content + m.content }}{% endfor %}",
    "{% for m in messages %}{% if m.role != 'system' %}{{ '<' + m.role + '>' + m.content }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}",
    "{% for m in messages | reverse %}{{ m.role + ': ' + m.content }}{% endfor %}",
    "{% for m in messages %}{% if m.content == 'x' %}{{ raise_exception('x') }}{% endif %}"
    "{{ m.role + ': ' + m.content + ';' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% "
    "endif "
    "%}",
};

const std::vector<std::string> contents_of_messages = {
    "a", " a b ", "x", "Well, yes", "<think>c</think> d", "", "<|im_end|>", "assistant", "\\n", "ü\\\"b\\\\"};

/// Chats of these roles, with one text after the other in each place.
std::vector<std::string> chats(const std::vector<std::string>& roles) {
  std::vector<std::string> all;
  for (std::size_t first = 0; first < contents_of_messages.size(); ++first) {
    for (const std::size_t stride : {1, 3}) {
      std::string chat;
      for (std::size_t i = 0; i < roles.size(); ++i)
        chat += (i > 0 ? R"(,{"role":")" : R"([{"role":")") + roles[i] + R"(","content":")" +
                contents_of_messages[(first + i * stride) % contents_of_messages.size()] + "\"}";
      all.push_back(chat + "]");
    }
  }
  return all;
}

std::string shown(const ChatRenderer& renderer, const ChatInput& chat, TurnPatterns* patterns) {
  try {
    const TrainedChat trained = render_for_training(renderer, chat, at_the_fixed_time(), patterns);
    std::string text = marked(trained);
    for (const ChatRemark& remark : trained.remarks) text += "\n" + describe(remark);
    return text;
  } catch (const jinja::Error& error) {
    return error.what();
  }
}

TEST(TurnPatterns, FindWhatIsFoundWithoutThem) {
  for (const std::string& jinja : templates) {
    SCOPED_TRACE(jinja);
    const ChatRenderer renderer(jinja);
    TurnPatterns patterns;
    for (const auto& roles :
         std::vector<std::vector<std::string>>{{"user", "assistant"},
                                               {"assistant", "user", "assistant"},
                                               {"system", "user", "assistant", "user", "assistant"},
                                               {"user", "user", "assistant", "assistant"},
                                               {"user", "assistant", "user"},
                                               {"user"}}) {
      for (const std::string& chat : chats(roles))
        EXPECT_EQ(shown(renderer, chat_of(chat), &patterns), shown(renderer, chat_of(chat), nullptr)) << chat;
    }
  }
}

TEST(TurnPatterns, OneChatIsLookedAtForAllOfItsRoles) {
  const ChatRenderer renderer(templates[0]);
  TurnPatterns patterns;
  const auto find = [&](const std::string& messages, std::int64_t most_steps) {
    ChatInput chat = chat_of(messages);
    chat.messages = with_origins(chat.messages);
    jinja::RenderOptions options;
    const jinja::Text rendered = renderer.render(chat, options).text;
    options.most_steps = most_steps;
    return patterns.find(renderer, chat, options, rendered);
  };
  const std::string before = R"([{"role":"user","content":"a"},{"role":"assistant","content":)";
  EXPECT_TRUE(find(before + R"("b"}])", 10'000));
  EXPECT_TRUE(find(before + R"("another"}])", 0));  // nothing is rendered
  EXPECT_FALSE(find(before + R"("b","name":"c"}])", 10'000));
  EXPECT_FALSE(find(R"([{"role":"user","content":"a","content_type":"b"}])", 10'000));
}

TEST(TurnPatterns, FindTheSameInPublishedTemplates) {
  const auto data = test_data();
  if (!data || !std::filesystem::exists(*data / "chat_templates"))
    GTEST_SKIP() << "COLA_TEST_DATA has no folder chat_templates";
  int templates_read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*data / "chat_templates")) {
    if (entry.path().extension() != ".jinja") continue;
    SCOPED_TRACE(entry.path().stem().string());
    const ChatRenderer renderer(contents(entry.path()));
    TurnPatterns patterns;
    for (const auto& roles : std::vector<std::vector<std::string>>{
             {"user", "assistant"}, {"system", "user", "assistant", "user", "assistant"}}) {
      for (const std::string& text : chats(roles)) {
        ChatInput chat = chat_of(text);
        for (const char* name : {"bos_token", "eos_token"})
          chat.special_tokens.set(jinja::Text(name), jinja::Text(std::string("<") + name + ">"));
        EXPECT_EQ(shown(renderer, chat, &patterns), shown(renderer, chat, nullptr)) << text;
      }
    }
    ++templates_read;
  }
  EXPECT_GT(templates_read, 30);
}

}  // namespace
}  // namespace cola::test
