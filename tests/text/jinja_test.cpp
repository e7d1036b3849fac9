#include <gtest/gtest.h>

#include "support/files.h"
#include "support/jinja.h"

// The language of chat templates beside Jinja2, case by case (tools/parity/jinja.py).
namespace cola {
namespace {

using jinja::Error;
using jinja::Template;
using jinja::Text;
using jinja::Value;
using test::at_the_fixed_time;
using test::contents;
using test::member;
using test::spans_of;

std::string rendered(std::string_view source, const jinja::Dict& variables = {}) {
  return Template(source).render(variables, at_the_fixed_time()).text.bytes;
}

Error error_of(std::string_view source) {
  try {
    (void)rendered(source);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error: " << source;
  return {Error::Kind::failed, ""};
}

TEST(Jinja, EveryCaseIsAsJinja2HasIt) {
  const Value all = jinja::value_of_json(contents(test::test_files() / "jinja" / "cases.json"));
  const jinja::Dict& variables = *member(all, "variables").dict();
  int refused = 0;
  for (const Value& one : member(all, "cases").list()->items) {
    const std::string& source = member(one, "template").text()->bytes;
    SCOPED_TRACE(source);
    const Value& output = member(one, "output");
    try {
      const jinja::Rendered result = Template(source).render(variables, at_the_fixed_time());
      if (output.is_none()) {
        ADD_FAILURE() << "not refused";
        continue;
      }
      EXPECT_EQ(result.text.bytes, output.text()->bytes);
      const Value& spans = member(one, "spans");
      EXPECT_TRUE(spans.is_none() || jinja::are_equal(spans_of(result), spans));
    } catch (const Error& error) {
      if (!output.is_none()) {
        EXPECT_EQ(error.kind(), Error::Kind::unknown) << error.what();
        ++refused;
        continue;
      }
      const Value& refusal = member(one, "refusal");
      EXPECT_EQ(error.kind() == Error::Kind::refusal, !refusal.is_none()) << error.what();
      EXPECT_TRUE(refusal.is_none() || refusal.text()->bytes == error.what()) << error.what();
      EXPECT_GT(error.place().line, 0) << error.what();
    }
  }
  // By name: **; printing items() and range(); a generator gone through twice; comparing keys(); a macro out
  // of its loop; integers of more than 64 bits beside others; numbers in texts as 1_000, 1e19, 1e400.
  EXPECT_EQ(refused, 13);
}

TEST(Jinja, ErrorsSayWhere) {
  const Error unknown = error_of("a\n  {{ x | nofilter }}");
  EXPECT_EQ(unknown.kind(), Error::Kind::unknown);
  EXPECT_EQ(unknown.place().line, 2);
  EXPECT_EQ(unknown.place().column, 10);
  EXPECT_STREQ(unknown.what(), "the filter 'nofilter' is not known here");
  const Error failed = error_of("é{{ missing.x }}");
  EXPECT_EQ(failed.kind(), Error::Kind::failed);
  EXPECT_EQ(failed.place().column, 13);
  EXPECT_STREQ(failed.what(), "'missing' is undefined");
  EXPECT_EQ(error_of("{% include 'x' %}").kind(), Error::Kind::unknown);
  EXPECT_EQ(error_of("{{ x").kind(), Error::Kind::malformed);
  EXPECT_EQ(error_of("{# x").kind(), Error::Kind::malformed);
  EXPECT_EQ(error_of("{% break %}").kind(), Error::Kind::malformed);
  EXPECT_EQ(error_of("{% macro(a, b) %}{% endmacro %}").kind(), Error::Kind::malformed);
}

TEST(Jinja, WhatHasNoEndIsRefused) {
  const auto exhausts = [](const std::string& source) {
    return error_of(source).kind() == Error::Kind::exhausted;
  };
  EXPECT_TRUE(exhausts("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"));
  EXPECT_TRUE(
      exhausts("{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{{ a + b }}"
               "{% endfor %}{% endfor %}{% endfor %}"));
  EXPECT_TRUE(
      exhausts("{% set n = namespace(x='0123456789') %}{% for a in range(60) %}{% set n.x = n.x + n.x %}"
               "{% endfor %}"));
  EXPECT_TRUE(exhausts(
      "{% set n = namespace(x=[1]) %}{% for a in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}"));
  EXPECT_TRUE(exhausts("{{ 'x' * 9999999999 }}"));
  EXPECT_TRUE(exhausts("{{ " + std::string(200, '(') + "1" + std::string(200, ')') + " }}"));
  EXPECT_TRUE(exhausts("{{ " + std::string(200, '-') + "1 }}"));
  std::string ifs;
  for (int i = 0; i < 200; ++i) ifs += "{% if 1 %}";
  EXPECT_TRUE(exhausts(ifs));
}

TEST(Jinja, NamespacesThatHoldEachOtherAreGivenBack) {  // as the address sanitizer sees
  EXPECT_EQ(rendered("{% set a = namespace(n=1) %}{% set a.b = [a] %}{{ a.b[0].n }}"), "1");
}

TEST(Jinja, TextsRememberWhereTheyCameFrom) {
  jinja::Dict variables;
  variables.set(Text("x"),
                jinja::with_origin(jinja::value_of_json(R"({"a": " Hello \"you\" ", "b": ["p", "q"]})"), 7));
  const auto origins = [&](std::string_view source) {
    const Text text = Template(source).render(variables, at_the_fixed_time()).text;
    std::string marked;
    std::size_t at = 0;
    for (const jinja::Origin& origin : text.origins) {
      EXPECT_EQ(origin.part, 7);
      marked += text.bytes.substr(at, origin.begin - at) + "<" +
                text.bytes.substr(origin.begin, origin.end - origin.begin) + ">";
      at = origin.end;
    }
    return marked + text.bytes.substr(at);
  };
  EXPECT_EQ(origins("a{{ x.a }}b"), "a< Hello \"you\" >b");
  EXPECT_EQ(origins("{{ x.a.strip() + '!' }}"), "<Hello \"you\">!");
  EXPECT_EQ(origins("{{ x.a | trim | upper }}"), "<HELLO \"YOU\">");
  EXPECT_EQ(origins("{{ x.a | tojson }}"), "\"< Hello \\\"you\\\" >\"");
  EXPECT_EQ(origins("{{ x.b | join('-') }}"), "<p>-<q>");
  EXPECT_EQ(origins("{{ x.a.split('l')[0] }}|{{ x.a[1:3] }}"), "< He>|<He>");
  EXPECT_EQ(origins("{{ x.a.replace('you', 'me') }}"), "< Hello \">me<\" >");
  EXPECT_EQ(origins("{% macro m(t) %}[{{ t }}]{% endmacro %}{{ m(x.b[0]) }}"), "[<p>]");
  EXPECT_EQ(origins("{% set s %}{{ x.b[0] }}!{% endset %}{{ s ~ s }}"), "<p>!<p>!");
}

}  // namespace
}  // namespace cola
