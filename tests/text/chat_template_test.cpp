#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "io/files.h"
#include "io/json.h"
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

std::optional<ChatTemplate> recognised(const std::string& jinja) {
  return recognise_chat_template(jinja, "<s>", "</s>").built_in;
}

const std::string plain_chatml =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif "
    "%}";

TEST(ChatTemplate, RecognisesItsOwnJinja) {
  for (const ChatTemplate known :
       {ChatTemplate::llama2, ChatTemplate::llama3, ChatTemplate::chatml, ChatTemplate::plain}) {
    const auto found = recognise_chat_template(jinja_of(known, true, true), "<s>", "</s>");
    EXPECT_EQ(found.built_in, known) << found.why_not;
    EXPECT_EQ(found.bos_first, known == ChatTemplate::chatml);
  }
  EXPECT_FALSE(recognise_chat_template(jinja_of(ChatTemplate::chatml, false, true), "<s>", "").bos_first);
  EXPECT_EQ(recognised(jinja_of(ChatTemplate::plain, true, false)), std::nullopt);  // no turn ends
}

TEST(ChatTemplate, RecognisesWhatRendersTheSame) {
  EXPECT_EQ(recognised(plain_chatml), ChatTemplate::chatml);
  EXPECT_EQ(
      recognised("{%- for m in messages -%}\n{{- '<|im_start|>' ~ m.role }}\n{{ m.content }}<|im_end|>\n\n"
                 "{%- endfor -%}"),
      std::nullopt);  // the line break at the end of a turn is taken off
  EXPECT_EQ(recognised("{% for m in messages %}\n<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
                       "{% endfor %}\n"),
            ChatTemplate::chatml);
  EXPECT_TRUE(recognise_chat_template("{{ bos_token }}" + plain_chatml, "<s>", "</s>").bos_first);
  EXPECT_EQ(recognised("{{ '[INST] ' }}"), std::nullopt);  // Mistral's
  // A condition on contents that is never asked, as in templates that transformers 4 saved for Llama 2.
  EXPECT_EQ(recognised("{% if false == true and not '<<SYS>>' in messages[0].content %}x{% endif %}" +
                       plain_chatml),
            ChatTemplate::chatml);
  EXPECT_EQ(recognised("{% if '<<SYS>>' in messages[0].content %}x{% endif %}" + plain_chatml), std::nullopt);
}

TEST(ChatTemplate, DoesNotRecogniseWhatRendersOtherwise) {
  // A system prompt of the template's own.
  EXPECT_EQ(recognised("{% if messages[0].role != 'system' %}<|im_start|>system\n<|im_end|>\n{% endif %}" +
                       plain_chatml),
            std::nullopt);
  // Contents stripped; a system message left out; the last turn without its end; a prompt at the end, always.
  EXPECT_EQ(recognised("{% for m in messages %}<|im_start|>{{ m.role + '\n' + m.content | trim }}<|im_end|>\n"
                       "{% endfor %}"),
            std::nullopt);
  EXPECT_EQ(recognised("{% for m in messages %}{% if m.role != 'system' %}<|im_start|>{{ m.role + '\n' + "
                       "m.content }}<|im_end|>\n{% endif %}{% endfor %}"),
            std::nullopt);
  EXPECT_EQ(recognised("{% for m in messages %}<|im_start|>{{ m.role + '\n' + m.content }}"
                       "{% if not loop.last %}<|im_end|>\n{% endif %}{% endfor %}"),
            std::nullopt);
  EXPECT_EQ(recognised(plain_chatml + "<|im_start|>assistant\n"), std::nullopt);
  // What this reader does not know might do anything.
  EXPECT_EQ(
      recognised("{% for m in messages %}<|im_start|>{{ m.role + '\n' + m.content.split('</think>')[-1] "
                 "}}<|im_end|>\n{% endfor %}"),
      std::nullopt);
}

TEST(ChatTemplate, SaysWhyItRecognisesNone) {
  const auto why = [](const std::string& jinja) { return recognise_chat_template(jinja, "", "").why_not; };
  EXPECT_EQ(why("{{ tools | tojson }}"), "it has the filter 'tojson'");
  EXPECT_EQ(why("{{ strftime_now('%d') }}"), "it has the function 'strftime_now'");
  EXPECT_EQ(why("{{ raise_exception('no chats') }}"), "it refuses a conversation: no chats");
  EXPECT_EQ(why("hello"), "it renders otherwise");
}

TEST(ChatTemplate, TokensThatTheVocabularyLacksAreNamed) {
  const Folder folder;
  Json json = small_byte_level_json();
  json["added_tokens"].push_back(added_token(267, "<|im_start|>"));
  json["added_tokens"].push_back(added_token(268, "<|im_end|>"));
  folder.write("tokenizer.json", json);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(missing_token(ChatTemplate::chatml, *tokenizer), "");
  EXPECT_EQ(missing_token(ChatTemplate::llama3, *tokenizer), "<|start_header_id|>");
  EXPECT_EQ(missing_token(ChatTemplate::llama2, *tokenizer), "");
  EXPECT_EQ(end_of_turn(ChatTemplate::chatml, *tokenizer), 268);
  EXPECT_EQ(end_of_turn(ChatTemplate::plain, *tokenizer), tokenizer->special().eos);
}

std::string template_of(const Folder& folder) {
  const auto found = read_chat_template(folder.path());
  return found ? found->jinja : "";
}

TEST(ChatTemplate, IsReadFromTheFilesOfAFolder) {
  const Folder folder;
  EXPECT_EQ(template_of(folder), "");
  folder.write("tokenizer_config.json", Json{{"tokenizer_class", "LlamaTokenizer"}});
  EXPECT_EQ(template_of(folder), "");
  folder.write("tokenizer_config.json", Json{{"chat_template", "one"}});
  EXPECT_EQ(template_of(folder), "one");
  folder.write(
      "tokenizer_config.json",
      Json{{"chat_template",
            {{{"name", "tool_use"}, {"template", "one"}}, {{"name", "default"}, {"template", "two"}}}}});
  EXPECT_EQ(template_of(folder), "two");
  folder.write("chat_template.jinja", std::string_view("three"));
  EXPECT_EQ(template_of(folder), "three");
  folder.write("tokenizer_config.json", Json{{"chat_template", 5}});
  std::filesystem::remove(folder / "chat_template.jinja");
  EXPECT_THROW((void)template_of(folder), Error);
}

/// Real templates, with what transformers renders of many conversations: where one is recognised, every
/// conversation that render_chat takes has to come out the same.
TEST(ChatTemplate, RealTemplatesAreRecognisedOnlyWhereTheyRenderTheSame) {
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const auto folder = *data / "chat_templates";
  const Json conversations = parse_json(read_text_file(folder / "conversations.json", 1 << 24), "");
  std::vector<std::string> recognised_names;
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    const std::string name = entry.path().stem().string();
    const Json expected = parse_json(read_text_file(folder / (name + ".json"), 1 << 24), name);
    const Json& special = expected.at("special_tokens");
    const auto token = [&](const char* key) {
      return special.contains(key) && special.at(key).is_string() ? special.at(key).get<std::string>() : "";
    };
    const auto found = recognise_chat_template(read_text_file(entry.path(), 1 << 20), token("bos_token"),
                                               token("eos_token"));
    if (!found.built_in) continue;
    recognised_names.push_back(name);
    for (const Json& one : expected.at("cases")) {
      if (!one.at("kwargs").empty() || !one.contains("output")) continue;
      std::vector<ChatMessage> messages;
      const Json& conversation =
          conversations.at("conversations").at(one.at("conversation").get<std::string>());
      for (const Json& message : conversation.at("messages")) {
        const bool text =
            message.size() == 2 && message.contains("content") && message.at("content").is_string();
        messages.push_back({text ? message.at("role").get<std::string>() : "",
                            text ? message.at("content").get<std::string>() : ""});
      }
      std::string text = found.bos_first ? token("bos_token") : "";
      try {
        for (const ChatSegment& segment : render_chat(*found.built_in, messages)) {
          text += (segment.bos ? token("bos_token") : "") + segment.text +
                  (segment.eos ? token("eos_token") : "");
        }
      } catch (const Error&) {
        continue;
      }
      ++compared;
      EXPECT_EQ(text, one.at("output").get<std::string>()) << name << ": " << one.at("conversation");
    }
  }
  std::ranges::sort(recognised_names);
  EXPECT_EQ(recognised_names, (std::vector<std::string>{"llama3", "trl-llama3-training"}));
  EXPECT_GT(compared, 20);
}

}  // namespace
}  // namespace cola::test
