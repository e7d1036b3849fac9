#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace cola::test {
namespace {

/// The whole conversation: <B> and <E> stand for BOS and EOS, braces around what is trained.
std::string rendered(ChatTemplate chat_template, const std::vector<ChatMessage>& messages) {
  std::string text;
  for (const ChatSegment& segment : render_chat(chat_template, messages)) {
    if (segment.bos) text += "<B>";
    if (segment.trained) text += "{";
    text += segment.text;
    if (segment.eos) text += "<E>";
    if (segment.trained) text += "}";
  }
  return text;
}

const std::vector<ChatMessage> conversation{{"system", "Be brief."},
                                            {"user", " Hi "},
                                            {"assistant", "Hello. "},
                                            {"user", "Bye"},
                                            {"assistant", "Bye!"}};

TEST(ChatTemplate, Llama2) {
  EXPECT_EQ(
      rendered(ChatTemplate::llama2, conversation),
      "<B>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hi [/INST]{ Hello. <E>}<B>[INST] Bye [/INST]{ Bye! <E>}");
}

TEST(ChatTemplate, Llama3) {
  EXPECT_EQ(
      rendered(ChatTemplate::llama3, {{"system", "Be brief."}, {"user", " Hi "}, {"assistant", "Hello. "}}),
      "<B><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
      "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
      "<|start_header_id|>assistant<|end_header_id|>\n\n{Hello.<|eot_id|>}");
}

TEST(ChatTemplate, Chatml) {
  EXPECT_EQ(rendered(ChatTemplate::chatml, {{"user", "Hi"}, {"assistant", "Hello."}, {"user", "Bye"}}),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n{Hello.<|im_end|>}\n"
            "<|im_start|>user\nBye<|im_end|>\n");
}

TEST(ChatTemplate, Plain) {
  EXPECT_EQ(rendered(ChatTemplate::plain, conversation),
            "<B>System: Be brief.\nUser: Hi\nAssistant:{ Hello.<E>}\nUser: Bye\nAssistant:{ Bye!<E>}");
}

TEST(ChatTemplate, RolesOutOfOrder) {
  using Messages = std::vector<ChatMessage>;
  for (const ChatTemplate strict : {ChatTemplate::llama2, ChatTemplate::plain}) {
    EXPECT_THROW((void)render_chat(strict, Messages{{"assistant", "x"}}), Error);
    EXPECT_THROW((void)render_chat(strict, Messages{{"user", "x"}, {"user", "y"}}), Error);
    EXPECT_THROW((void)render_chat(strict, Messages{{"system", "x"}}), Error);
    EXPECT_THROW((void)render_chat(strict, Messages{{"user", "x"}, {"assistant", "y"}, {"system", "z"}}),
                 Error);
  }
  for (const ChatTemplate any :
       {ChatTemplate::llama2, ChatTemplate::llama3, ChatTemplate::chatml, ChatTemplate::plain}) {
    EXPECT_THROW((void)render_chat(any, Messages{}), Error);
    EXPECT_THROW((void)render_chat(any, Messages{{"tool", "x"}}), Error);
    EXPECT_EQ(parse_chat_template(name_of(any)), any);
  }
  EXPECT_THROW((void)parse_chat_template("vicuna"), UsageError);
}

std::optional<ChatTemplate> recognised(const Json& chat_template) {
  const Folder folder;
  folder.write("tokenizer_config.json", Json{{"chat_template", chat_template}});
  return recognise_chat_template(folder.path());
}

TEST(ChatTemplate, Recognition) {
  const std::string llama2 = "{{ bos_token + '[INST] ' + '<<SYS>>\\n' }}";
  const std::string llama3 = "{{ '<|start_header_id|>' + message['role'] + '<|eot_id|>' }}";
  const std::string chatml =
      "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}";
  EXPECT_EQ(recognised(llama2), ChatTemplate::llama2);
  EXPECT_EQ(recognised(llama3), ChatTemplate::llama3);
  EXPECT_EQ(recognised(chatml), ChatTemplate::chatml);
  EXPECT_EQ(recognised("{{ '[INST] ' }}"), std::nullopt);  // Mistral's
  EXPECT_EQ(recognised(llama3 + "Cutting Knowledge Date: December 2023"), std::nullopt);
  EXPECT_EQ(recognised("{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>' }}" + chatml),
            std::nullopt);
  EXPECT_EQ(recognised(nullptr), std::nullopt);
  EXPECT_EQ(recognised(Json{{{"name", "tool_use"}, {"template", llama2}},
                            {{"name", "default"}, {"template", chatml}}}),
            ChatTemplate::chatml);
  EXPECT_THROW((void)recognised(5), Error);
}

TEST(ChatTemplate, RecognitionByFile) {
  const Folder folder;
  EXPECT_EQ(recognise_chat_template(folder.path()), std::nullopt);
  folder.write("tokenizer_config.json", Json{{"tokenizer_class", "LlamaTokenizer"}});
  EXPECT_EQ(recognise_chat_template(folder.path()), std::nullopt);
  folder.write("chat_template.jinja", std::string_view("<|im_start|>{{ role }}<|im_end|>"));
  EXPECT_EQ(recognise_chat_template(folder.path()), ChatTemplate::chatml);
}

}  // namespace
}  // namespace cola::test
