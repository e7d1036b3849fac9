#include "io/json.h"

#include "io/io_test_support.h"

namespace cola {
namespace {

using test::error_of;
using test::expect_contains;

std::string refused(const std::string& text) {
  const std::string error = error_of([&] { static_cast<void>(parse_json(text, "data.jsonl:12")); });
  EXPECT_EQ(error.rfind("data.jsonl:12: ", 0), 0U) << error;
  return error;
}

TEST(Json, MalformedTextIsRefusedWithItsPlace) {
  for (const char* text : {"", "{", "[1,]", "{\"a\" 1}", "nul", "\"\xff\"", "1e999", "{} {}", "NaN"}) {
    SCOPED_TRACE(text);
    const std::string error = refused(text);
    expect_contains(error, "not valid JSON");
    EXPECT_EQ(error.find("json.exception"), std::string::npos);
  }
  EXPECT_LT(refused(std::string("\"").append(100'000, 'x')).size(), 400U);
}

TEST(Json, DepthIsLimited) {
  const auto nested = [](int depth, char open, char close) {
    return std::string(static_cast<std::size_t>(depth), open) +
           std::string(static_cast<std::size_t>(depth), close);
  };
  EXPECT_TRUE(parse_json(nested(100, '[', ']'), "x").is_array());
  expect_contains(refused(nested(101, '[', ']')), "nested deeper than 100");
  expect_contains(refused(std::string(1'000'000, '[')), "nested deeper than 100");
  std::string objects;
  for (int i = 0; i < 101; ++i) objects += "{\"a\":";
  expect_contains(refused(objects), "nested deeper than 100");
}

TEST(Json, DuplicateKeysAreRefusedWhereAsked) {
  EXPECT_EQ(parse_json(R"({"a":1,"a":2})", "x")["a"], 2);
  EXPECT_EQ(parse_json_with_unique_keys(R"({"a":{"b":1},"b":[{"b":1},{"b":2}],"c":{"b":3}})", "x").size(),
            3U);
  for (const char* text : {R"({"a":1,"a":2})", R"({"x":[{"a":1,"b":2,"a":3}]})"}) {
    expect_contains(error_of([&] { static_cast<void>(parse_json_with_unique_keys(text, "x")); }),
                    "'a' occurs twice");
  }
}

TEST(Json, OuterKeysAreInTheOrderOfTheText) {
  std::vector<std::string> keys{"old"};
  EXPECT_EQ(parse_json_with_key_order(R"({"b":{"x":1},"a":2,"b":3})", "x", keys)["b"], 3);
  EXPECT_EQ(keys, (std::vector<std::string>{"b", "a"}));
}

TEST(Json, ReaderChecksTypes) {
  const Json json = parse_json(
      R"({"i":-3,"whole":1e4,"half":0.5,"big":18446744073709551615,"far":1e300,"b":true,"s":"text","n":null,"o":{}})",
      "config.json");
  const JsonReader reader(json, "config.json");
  EXPECT_EQ(reader.integer("i"), -3);
  EXPECT_EQ(reader.integer("whole"), 10000);
  EXPECT_EQ(reader.integer("n", 5), 5);
  EXPECT_EQ(reader.integer("none", 6), 6);
  EXPECT_EQ(reader.number("i"), -3.0);
  EXPECT_EQ(reader.number("half"), 0.5);
  EXPECT_EQ(reader.number("none", 0.25), 0.25);
  EXPECT_TRUE(reader.boolean("b", false));
  EXPECT_TRUE(reader.boolean("none", true));
  EXPECT_EQ(reader.string("s"), "text");
  EXPECT_EQ(reader.string("none", "other"), "other");
  EXPECT_TRUE(reader.at("o").is_object());
  EXPECT_TRUE(reader.has("i"));
  EXPECT_FALSE(reader.has("n"));
  EXPECT_FALSE(reader.has("none"));
  for (const char* key : {"half", "big", "far", "s", "b"}) {
    EXPECT_EQ(error_of([&] { static_cast<void>(reader.integer(key)); }),
              "config.json: '" + std::string(key) + "' must be an integer");
  }
  EXPECT_EQ(error_of([&] { static_cast<void>(reader.integer("s", 1)); }),
            "config.json: 's' must be an integer");
  EXPECT_EQ(error_of([&] { static_cast<void>(reader.integer("n")); }), "config.json: 'n' is missing");
  EXPECT_EQ(error_of([&] { static_cast<void>(reader.number("s")); }), "config.json: 's' must be a number");
  EXPECT_EQ(error_of([&] { static_cast<void>(reader.boolean("i", true)); }),
            "config.json: 'i' must be true or false");
  EXPECT_EQ(error_of([&] { static_cast<void>(reader.string("i")); }), "config.json: 'i' must be a string");
  const Json array = Json::array();
  EXPECT_EQ(error_of([&] { static_cast<void>(JsonReader(array, "list")); }), "list: must be a JSON object");
}

TEST(Json, FilesAreReadAndNamed) {
  const test::TemporaryFolder folder;
  test::put_file(folder / "config.json", R"({"a":1})");
  EXPECT_EQ(read_json_file(folder / "config.json")["a"], 1);
  expect_contains(error_of([&] { static_cast<void>(read_json_file(folder / "none.json")); }), "none.json");
}

}  // namespace
}  // namespace cola
