#include "text/chat/format.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/chats.h"
#include "text/fixtures.h"

namespace cola::test {
namespace {

const std::string conversation =
    R"([{"role":"system","content":"Be brief."},{"role":"user","content":" Hi "},)"
    R"({"role":"assistant","content":"Hello. "},{"role":"user","content":"Bye"},)"
    R"({"role":"assistant","content":"Bye!"}])";

ChatOptions named(const std::string& name) { return {name, "", "", false}; }

/// A folder with a byte-level tokenizer that knows ChatML's tokens, and others.
class ChatFormatTest : public testing::Test {
 protected:
  ChatFormatTest() {
    Json json = small_byte_level_json();
    for (const char* token : {"<|im_start|>", "<|im_end|>"})
      json["added_tokens"].push_back(added_token(next_id_++, token));
    folder_.write("tokenizer.json", json);
  }
  void configure(const Json& json) { folder_.write("tokenizer_config.json", json); }
  [[nodiscard]] std::optional<ChatFormat> find(const ChatOptions& options) const {
    return ChatFormat::find(options, folder_.path(), nullptr);
  }
  [[nodiscard]] std::string refusal(const ChatOptions& options) const {
    try {
      (void)find(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  Folder folder_;
  int next_id_ = 267;
};

std::string rendered(const std::string& name, const std::string& messages) {
  jinja::Dict tokens;
  tokens.set(jinja::Text("bos_token"), jinja::Text("<B>"));
  tokens.set(jinja::Text("eos_token"), jinja::Text("<E>"));
  const ChatFormat format(*built_in_chat_template(name, true, true), name, tokens, {});
  return marked(format.render(chat_of(messages)));
}

TEST(BuiltInChatFormat, RendersAsThePublishedOnes) {
  EXPECT_EQ(rendered("llama2", conversation),
            "<B>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hi [/INST]{ Hello. <E>}"
            "<B>[INST] Bye [/INST]{ Bye! <E>}");
  EXPECT_EQ(rendered("llama3", conversation),
            "<B><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n{Hello.<|eot_id|>}"
            "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n{Bye!<|eot_id|>}");
  EXPECT_EQ(rendered("chatml", R"([{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello."},)"
                               R"({"role":"user","content":"Bye"}])"),
            "<B><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n{Hello.<|im_end|>}\n"
            "<|im_start|>user\nBye<|im_end|>\n");
  EXPECT_EQ(rendered("plain", conversation),
            "<B>System: Be brief.\nUser: Hi\nAssistant:{ Hello.<E>}\nUser: Bye\nAssistant:{ Bye!<E>}");
}

TEST(BuiltInChatFormat, RolesOutOfOrderAreRefused) {
  const std::string user = R"({"role":"user","content":"x"})";
  const std::string answer = R"({"role":"assistant","content":"y"})";
  for (const char* name : {"llama2", "plain"}) {
    for (const std::string& messages : {"[" + answer + "]", "[" + user + "," + user + "]",
                                        "[" + user + "," + answer + R"(,{"role":"system","content":"z"}])"})
      EXPECT_THROW((void)rendered(name, messages), jinja::Error) << name << messages;
  }
  for (const char* name : {"llama2", "llama3", "chatml", "plain"})
    EXPECT_THROW((void)rendered(name, "[]"), jinja::Error) << name;
}

TEST_F(ChatFormatTest, TheFoldersOwnIsTakenAndOthersByName) {
  EXPECT_FALSE(find({}));
  EXPECT_EQ(find(named("plain"))->origin(), "plain");
  configure({{"chat_template",
              {{{"name", "default"}, {"template", "a{{ messages[0].content }}"}},
               {{"name", "tool_use"}, {"template", "t{{ messages[0].content }}"}},
               {{"name", "rag"}, {"template", "r"}}}}});
  EXPECT_EQ(find({})->jinja(), "a{{ messages[0].content }}");
  EXPECT_EQ(find(named("rag"))->jinja(), "r");
  EXPECT_EQ(find(named("chatml"))->origin(), "chatml");
  // As in transformers, a chat with tools takes the template for those.
  ChatInput chat = chat_of(R"([{"role":"user","content":"x"}])");
  EXPECT_EQ(find({})->render_prompt(chat), "ax");
  chat.tools = jinja::value_of_json(R"([{"name":"f"}])");
  EXPECT_EQ(find({})->render_prompt(chat), "tx");
  EXPECT_EQ(find(named("default"))->render_prompt(chat), "ax");
  const Folder files;
  files.write("mine.txt", std::string_view("m"));
  EXPECT_EQ(find(named((files / "mine.txt").string()))->jinja(), "m");
  EXPECT_NE(refusal(named("vicuna")).find("of this model: default, tool_use, rag"), std::string::npos);
  configure({{"chat_template", {{{"name", "rag"}, {"template", "r"}}}}});
  EXPECT_NE(refusal({}).find("none is the default: give --chat-template with one of rag"), std::string::npos);
}

TEST_F(ChatFormatTest, WhatCannotBeRunIsRefusedWithItsPlace) {
  configure({{"chat_template", "{{ messages }}\n {{ messages | nothing }}"}});
  const std::string said = refusal({});
  EXPECT_NE(said.find("tokenizer_config.json, line 2, column "), std::string::npos) << said;
  EXPECT_NE(said.find("nothing"), std::string::npos) << said;
}

TEST_F(ChatFormatTest, VariablesAndTheDateAreGiven) {
  configure({{"chat_template", "{{ strftime_now('%d %b %Y') }}|{{ a }}|{{ bos_token }}|{{ eos_token }}"},
             {"bos_token", "<s>"}});
  const ChatInput chat = chat_of(R"([{"role":"user","content":"x"}])");
  const auto format = find({"", R"({"a":[1.0,null]})", "2024-02-29T23:59:59", false});
  EXPECT_EQ(format->render_prompt(chat), "29 Feb 2024|[1.0, None]|<s>|");
  EXPECT_EQ(format->date(), "2024-02-29T23:59:59");
  EXPECT_EQ(find(named("chatml"))->date(), "");
  ChatInput own = chat;
  own.keyword_arguments.set(jinja::Text("a"), jinja::Text("b"));
  EXPECT_EQ(format->render_prompt(own), "29 Feb 2024|b|<s>|");
  for (const char* wrong : {"2023-02-29T00:00:00", "2024-02-01", "tomorrow", "2024-02-01T00:00:00Z"})
    EXPECT_NE(refusal({"", "", wrong, false}).find("date"), std::string::npos) << wrong;
  for (const char* wrong : {"[]", "{", "1", R"({"messages":[]})", R"({"add_generation_prompt":true})"})
    EXPECT_NE(refusal({"", wrong, "", false}).find("--chat-template-kwargs"), std::string::npos) << wrong;
}

TEST_F(ChatFormatTest, TheTokenThatEndsATurn) {
  const auto tokenizer = open_tokenizer(folder_.path());
  const auto end_of = [&](const std::string& jinja) {
    const ChatFormat format(jinja, "test", chat_special_tokens(folder_.path(), tokenizer.get()), {});
    return format.end_token(*tokenizer);
  };
  EXPECT_EQ(end_of(*built_in_chat_template("chatml", false, false)), next_id_ - 1);
  EXPECT_EQ(end_of(*built_in_chat_template("plain", false, true)), tokenizer->special().eos);
  EXPECT_EQ(end_of("{% for m in messages %}{{ m.content }}<|done|>{% endfor %}"), std::nullopt);
  EXPECT_EQ(end_of("{{ raise_exception('no') }}"), std::nullopt);
}

TEST_F(ChatFormatTest, RolesThatAreUsualOrInTheTemplate) {
  const ChatFormat format("{{ 'critic' }}{{ \"judge\" }}", "test", {}, {});
  for (const char* role : {"system", "user", "assistant", "tool", "critic", "judge"})
    EXPECT_TRUE(format.knows_role(role)) << role;
  EXPECT_FALSE(format.knows_role("asistant"));
  EXPECT_FALSE(format.knows_role(""));
}

}  // namespace
}  // namespace cola::test
