// cola template
#include <gtest/gtest.h>

#include <fstream>

#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

class TemplateVerb : public testing::Test {
 protected:
  TemplateVerb() {
    write("t.jinja",
          "{{ bos_token }}{%- for m in messages %}{%- if m.role == 'assistant' %}<a>{{ m.content }}</a>"
          "{%- elif m.content == 'no' %}{{ raise_exception('not so') }}{% else %}<u>{{ m.content }}</u>{% "
          "endif %}"
          "{% endfor %}{%- if add_generation_prompt %}<a>{% endif %}{{ strftime_now('%H:%M') if clock }}");
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  [[nodiscard]] std::string at(const std::string& name) const {
    return "'" + (folder_ / name).string() + "'";
  }
  /// The answers to lines, each of them JSON.
  [[nodiscard]] std::vector<Json> answers(const std::string& lines, const std::string& options = "") const {
    write("in.jsonl", lines);
    const auto result = run_program("template --chat-template " + at("t.jinja") +
                                    " --now 2026-03-09T14:05:06 " + options + " " + at("in.jsonl"));
    EXPECT_EQ(result.status, 0) << result.error;
    std::vector<Json> found;
    std::istringstream stream(result.output);
    for (std::string line; std::getline(stream, line);) found.push_back(parse_json(line, "answer"));
    return found;
  }

  test::TemporaryFolder folder_;
};

TEST_F(TemplateVerb, AnswersEachLine) {
  const auto found = answers(
      R"({"messages":[{"role":"user","content":"é"},{"role":"assistant","content":"ü"}]})"
      "\n"
      R"({"messages":[{"role":"user","content":"no"}]})"
      "\n"
      R"({"messages":[{"role":"user","content":"a\u2028"}],"kwargs":{"add_generation_prompt":true,"clock":true}})"
      "\n"
      R"({"messages":[{"role":"user","content":5},{"role":"assistant","content":[]}],"tools":null})"
      "\n"
      R"({"messages":[]})"
      "\n",
      R"(--special-tokens '{"bos_token":{"content":"<s>"},"eos_token":null}')");
  ASSERT_EQ(found.size(), 5U);
  EXPECT_EQ(found[0], (Json{{"output", "<s><u>é</u><a>ü</a>"}, {"spans", {{14, 19}}}}));
  EXPECT_EQ(found[1].at("error").at("message"), "not so");
  EXPECT_EQ(found[1].at("error").at("line"), 1);
  EXPECT_EQ(found[2], (Json{{"output", "<s><u>a\u2028</u><a>14:05"}, {"spans", Json::array()}}));
  EXPECT_EQ(found[3].at("output"), "<s><u>5</u><a>[]</a>");
  EXPECT_NE(found[4].at("error").at("message"), "");
}

TEST_F(TemplateVerb, TheModelsOwnWithItsTokens) {
  const auto model = test::test_files() / "cases" / "chat-with-end-of-turn" / "model";
  std::filesystem::copy(model, folder_ / "model");
  write("in.jsonl", R"({"messages":[{"role":"user","content":"a"}]})");
  const auto none = run_program("template --model " + at("model") + " " + at("in.jsonl"));
  EXPECT_EQ(none.status, 1);
  EXPECT_NE(none.error.find("no chat template"), std::string::npos) << none.error;
  write("model/chat_template.jinja", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
  const auto own = run_program("template --model " + at("model") + " " + at("in.jsonl"));
  EXPECT_EQ(parse_json(own.output, "answer").at("output"), "<s>a</s>");
}

TEST_F(TemplateVerb, WhatIsWrongIsRefused) {
  const auto status = [&](const std::string& options, const std::string& input) {
    write("in.jsonl", input);
    const auto result = run_program("template " + options + " " + at("in.jsonl"));
    EXPECT_FALSE(result.error.empty());
    return result.status;
  };
  const std::string chat = R"({"messages":[{"role":"user","content":"a"}]})";
  const std::string by_file = "--chat-template " + at("t.jinja");
  EXPECT_EQ(status("", chat), 2);
  EXPECT_EQ(status("--chat-template nowhere", chat), 2);
  EXPECT_EQ(status(by_file + " --now today", chat), 2);
  EXPECT_EQ(status(by_file + " --special-tokens '[]'", chat), 2);
  EXPECT_EQ(status(by_file, "{}"), 1);
  EXPECT_EQ(status(by_file, chat + "\n{"), 1);
  EXPECT_EQ(status(by_file, R"({"messages":[],"kwargs":5})"), 1);
  write("bad.jinja", "{{ a\n | b }}");
  EXPECT_EQ(status("--chat-template " + at("bad.jinja"), chat), 1);
}

/// Quotes, controls, line separators, characters that begin as these do: the text on one line, as it is.
TEST_F(TemplateVerb, AnyTextIsOneLineOfJson) {
  const std::string content = R"(\"\\/\u0000\u001f\n\t\u007f)"
                              "\u0080\u0085\u00a0\u00bf\u2027\u2028\u2029\u202a\u20ac\U0001f600e";
  write("in.jsonl", R"({"messages":[{"role":"assistant","content":")" + content + "\"}]}\n");
  const auto result = run_program("template --chat-template " + at("t.jinja") + " " + at("in.jsonl"));
  ASSERT_EQ(result.status, 0) << result.error;
  for (const char* separator : {"\u0085", "\u2028", "\u2029"})
    EXPECT_EQ(result.output.find(separator), std::string::npos);
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1);
  const std::string expected = parse_json("\"" + content + "\"", "expected").get<std::string>();
  EXPECT_EQ(parse_json(result.output, "answer").at("output"), "<a>" + expected + "</a>");
}

}  // namespace
}  // namespace cola
