#include "data/record_source.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "support/files.h"

namespace cola {
namespace {

using Lines = std::vector<std::string>;

class RecordSourceTest : public testing::Test {
 protected:
  /// Each record behind the line that it begins on: `2 {"text":"a"}`; an Error's words without the file's
  /// name.
  [[nodiscard]] Lines read(const std::string& content, const std::string& name = "data") const {
    const auto file = folder_ / name;
    std::ofstream(file, std::ios::binary) << content;
    const std::string prefix = file.string() + ":";
    Lines lines;
    try {
      const auto records = open_records(file);
      for (std::string record; records->next(record);)
        lines.push_back(records->where().substr(prefix.size()) + " " + record);
      std::string nothing;
      EXPECT_FALSE(records->next(nothing));
      EXPECT_EQ(records->bytes_read(), static_cast<std::int64_t>(content.size()));
      EXPECT_EQ(records->bytes_in_all(), static_cast<std::int64_t>(content.size()));
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find(prefix), 0U) << error.what();
      lines.push_back(std::string(error.what()).substr(prefix.size()));
    }
    return lines;
  }
  /// The last thing said.
  void expect_error(const std::string& content, const std::string& message,
                    const std::string& name = "data") const {
    const Lines lines = read(content, name);
    ASSERT_FALSE(lines.empty()) << content;
    EXPECT_EQ(lines.back().find(message), 0U) << content.substr(0, 100) << "\n"
                                              << lines.back().substr(0, 300);
  }

  test::TemporaryFolder folder_;
};

TEST_F(RecordSourceTest, ArraysAreReadObjectByObject) {
  EXPECT_EQ(read(R"([{"a":1},{"b":[2,{"c":"}]\"{\\"}]}])"),
            (Lines{R"(1 {"a":1})", R"(1 {"b":[2,{"c":"}]\"{\\"}]})"}));
  EXPECT_EQ(read("\xEF\xBB\xBF\n [\r\n{\"a\": 1\n},\n\n {\"b\": 2} \n]\n\n"),
            (Lines{"3 {\"a\": 1\n}", "6 {\"b\": 2}"}));
  EXPECT_EQ(read("[]"), Lines());
  EXPECT_EQ(read(" [ ] "), Lines());
}

TEST_F(RecordSourceTest, ArraysThatAreNoneAreRefused) {
  expect_error("[", "1: the JSON array ends early");
  expect_error("[{\"a\":1}\n,", "2: the JSON array ends early");
  expect_error("[{\"a\":1}\n", "2: the JSON array ends early");
  expect_error("[{\"a\":1},\n{\"a\":\"", "2: the object that begins here is cut off");
  expect_error("[{\"a\":1}\n{\"a\":1}]", "2: a comma or ] is missing");
  expect_error("[{\"a\":1},]", "1: an entry of the JSON array is no object: it begins with ']'");
  expect_error("[,{\"a\":1}]", "1: an entry of the JSON array is no object: it begins with ','");
  expect_error("[\n1]", "2: an entry of the JSON array is no object: it begins with '1'");
  expect_error("[[{\"a\":1}]]", "1: an entry of the JSON array is no object");
  expect_error("[{\"a\":1}]\n[]", "2: '[' after the end of the JSON array");
  expect_error("[{\"a\":\"" + std::string(std::size_t{65} << 20, 'x') + "\"}]",
               "1: the record is longer than 64 MiB");
}

TEST_F(RecordSourceTest, TablesBecomeObjects) {
  const Lines two{R"(2 {"a":"1","b":"x"})", R"(3 {"a":"","b":" y "})"};
  EXPECT_EQ(read("a,b\n1,x\n, y \n"), two);
  EXPECT_EQ(read("a,b\r\n1,x\r\n, y "), two);
  EXPECT_EQ(read("a\tb\n1\tx\n\t y \n"), two);
  EXPECT_EQ(read("\xEF\xBB\xBF\"a\",\"b\"\n\"1\",\"x\"\n\"\",\" y \"\n"), two);
  EXPECT_EQ(read("a,b\n\"1,\n\"\"2\"\"\",x\n\n3,y\n"),
            (Lines{R"(2 {"a":"1,\n\"2\"","b":"x"})", R"(5 {"a":"3","b":"y"})"}));
  EXPECT_EQ(read("a\nx\n\ny\n", "data.csv"), (Lines{R"(2 {"a":"x"})", R"(4 {"a":"y"})"}));
  EXPECT_EQ(read("a\tb\n1,5\t2\n"), Lines{R"(2 {"a":"1,5","b":"2"})"});
  EXPECT_EQ(read("date,b\n2024-01-05,1e3\n"), Lines{R"(2 {"date":"2024-01-05","b":"1e3"})"});  // as they are
  EXPECT_EQ(read("a,b\n"), Lines());
}

TEST_F(RecordSourceTest, CellsOfSomeColumnsAreJson) {
  EXPECT_EQ(
      read("text,weight,train\na,0.5,True\nb,,false\nc,x,\n"),
      (Lines{R"(2 {"text":"a","weight":0.5,"train":true})", R"(3 {"text":"b","weight":null,"train":false})",
             R"(4 {"text":"c","weight":"x","train":null})"}));
  EXPECT_EQ(read("id,messages\n7,\"[{\"\"role\"\": \"\"user\"\"}]\"\n8,\"[1], \"\"id\"\": 2\"\n"),
            (Lines{R"(2 {"id":"7","messages":[{"role": "user"}]})",
                   R"(3 {"id":"8","messages":"[1], \"id\": 2"})"}));
}

TEST_F(RecordSourceTest, TablesThatAreNoneAreRefused) {
  expect_error("a,b\n1\n", "2: 1 cells for 2 columns");
  expect_error("a,b\n1,2\n\n1,2,3\n", "4: 3 cells for 2 columns");
  expect_error("a,b\n1,2\n3,x\"y\n", "3: column 'b': a stray quote inside of text");
  expect_error("a,b\n\"1\"x,2\n", "2: column 'a': a stray quote, with text behind it");
  expect_error("a,b\n1,2,\"x\"y\n", "2: column 3: a stray quote");
  expect_error("a,b\n1,\"2\n3,4\n", "2: column 'b': a quote that is not closed");
  expect_error("a,b\n1\r2,3\n", "2: column 'a': a carriage return without a line feed");
  expect_error("a,b,a\n1,2,3\n", "1: two columns are called 'a'");
  expect_error("a,b\n1,\xff\n", "2: column 'b': not valid UTF-8");
  expect_error("a\tb,c\n", " text with commas and tabs in its first line: call it .csv or .tsv");
  EXPECT_EQ(read("a\tb,c\n1\t2\n", "data.tsv"), Lines{R"(2 {"a":"1","b,c":"2"})"});
  expect_error("a;b\n1;2\n", " this is text, as a table with ;");
  expect_error("a,b\n1,\"" + std::string(std::size_t{65} << 20, 'x') + "\"\n",
               "2: the record is longer than 64 MiB");
}

}  // namespace
}  // namespace cola
