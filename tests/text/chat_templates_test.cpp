#include "text/chat_templates.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "text/chat/built_in_templates.h"
#include "text/fixtures.h"

namespace cola::test {
namespace {

std::string usual(const Folder& folder) {
  const OwnTemplates own = read_chat_templates(folder.path());
  const NamedTemplate* found = own.find("default");
  return found != nullptr ? found->jinja : "";
}

TEST(ChatTemplates, AreReadFromTheFilesOfAFolder) {
  const Folder folder;
  EXPECT_EQ(usual(folder), "");
  folder.write("tokenizer_config.json", Json{{"tokenizer_class", "LlamaTokenizer"}});
  EXPECT_EQ(usual(folder), "");
  folder.write("tokenizer_config.json", Json{{"chat_template", "one"}});
  EXPECT_EQ(usual(folder), "one");
  const Json tools = {{"name", "tool_use"}, {"template", "one"}};
  folder.write("tokenizer_config.json",
               Json{{"chat_template", {tools, {{"name", "default"}, {"template", "two"}}}}});
  EXPECT_EQ(usual(folder), "two");
  EXPECT_EQ(read_chat_templates(folder.path()).find("tool_use")->jinja, "one");
  folder.write("chat_template.jinja", std::string_view("three"));
  EXPECT_EQ(usual(folder), "three");
  EXPECT_EQ(read_chat_templates(folder.path()).find("tool_use"), nullptr);
  std::filesystem::create_directory(folder / "additional_chat_templates");
  folder.write("additional_chat_templates/rag.jinja", std::string_view("four"));
  EXPECT_EQ(read_chat_templates(folder.path()).find("rag")->jinja, "four");
  EXPECT_EQ(read_chat_templates(folder.path()).file, folder / "chat_template.jinja");
}

TEST(ChatTemplates, WhatIsNoTemplateIsRefused) {
  const Folder folder;
  const Json same = {{"name", "default"}, {"template", "a"}};
  for (const Json& value : {Json(5), Json({5}), Json({{{"name", "x"}}}), Json({same, same})}) {
    folder.write("tokenizer_config.json", Json{{"chat_template", value}});
    EXPECT_THROW((void)read_chat_templates(folder.path()), Error) << value;
  }
  folder.write("chat_template.jinja", std::string_view("\xff"));
  EXPECT_THROW((void)read_chat_templates(folder.path()), Error);
}

TEST(ChatTemplates, BuiltInOnesWriteWhatTokensThereAre) {
  for (const char* name : {"llama2", "llama3", "chatml", "plain"}) {
    EXPECT_NE(built_in_chat_template(name, true, true)->find("{{- bos_token }}"), std::string::npos) << name;
    EXPECT_EQ(built_in_chat_template(name, false, false)->find("s_token }}"), std::string::npos) << name;
  }
  EXPECT_EQ(built_in_chat_template("vicuna", true, true), std::nullopt);
}

}  // namespace
}  // namespace cola::test
