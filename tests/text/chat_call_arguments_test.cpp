#include "text/chat/call_arguments.h"

#include <gtest/gtest.h>

#include "support/chats.h"
#include "text/chat/format.h"
#include "text/jinja/error.h"

namespace cola::test {
namespace {

ChatInput call_with(const std::string& arguments) {
  return chat_of(R"([{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"function":)"
                 R"({"name":"f","arguments":)" +
                 arguments + "}}]}]");
}

/// What a template makes of the arguments of a call, once they are what it wants.
std::string written(const std::string& expression, const std::string& arguments) {
  const ChatFormat format(
      "{% for message in messages if message.tool_calls %}"
      "{% set arguments = message.tool_calls[0].function.arguments %}" +
          expression + "{% endfor %}",
      "a test", {}, {});
  const ChatInput chat = call_with(arguments);
  return format.render(format.with_object_arguments(chat).value_or(chat)).text;
}

const std::string as_text = R"("{\"b\": \"it's\", \"a\": 1}")";
const std::string as_object = R"({"b": "it's", "a": 1})";

TEST(CallArguments, TemplatesThatWriteTextGetText) {
  for (const char* expression :
       {"{{ arguments }}",
        "{% if arguments is string %}{{ arguments }}{% else %}{{ arguments | tojson }}{% endif %}",
        "{{ ' ' + arguments + ' ' }}"})
    EXPECT_NE(written(expression, as_text).find(as_object), std::string::npos) << expression;
  EXPECT_EQ(written("{{ arguments }}", R"("{\"b\":1}")"), R"({"b":1})");  // spaces as they are
  EXPECT_EQ(written("{{ arguments }}", R"("no JSON")"), "no JSON");
}

TEST(CallArguments, OthersGetObjects) {
  EXPECT_EQ(written("{{ arguments | tojson }}", as_text), as_object);
  EXPECT_EQ(written("{{ arguments | tojson }}", as_object), as_object);
  EXPECT_EQ(written("{{ arguments | tojson }}", R"("{}")"), "{}");
  EXPECT_EQ(written("{% for name in arguments %}{{ name }} {% endfor %}", R"("{\"b\": 2, \"a\": 1}")"),
            "b a ");
  EXPECT_EQ(written("{% for name, value in arguments.items() %}{{ name }}={{ value }} {% endfor %}", as_text),
            "b=it's a=1 ");
  EXPECT_EQ(
      written("{{ '{' }}{% if arguments is mapping %}a:{{ arguments.a }}{% else %}{{ arguments }}{% endif %}"
              "{{ '}' }}",
              as_text),
      "{a:1}");
  EXPECT_EQ(
      written("{% if arguments is string %}{{ raise_exception('no text') }}{% endif %}{{ arguments.a }}",
              as_text),
      "1");
}

TEST(CallArguments, TextThatIsNoObjectIsRefusedWhereOneIsWanted) {
  for (const char* text : {R"("no JSON")", R"("[1]")", R"("")", R"("{\"a\": }")"})
    EXPECT_THROW((void)written("{{ arguments | tojson }}", text), jinja::Error) << text;
}

}  // namespace
}  // namespace cola::test
