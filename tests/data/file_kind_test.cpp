#include "data/file_kind.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace cola {
namespace {

using namespace std::string_literals;

std::string refusal(const std::string& bytes) {
  try {
    refuse_other_kind(bytes, "data.jsonl");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(FileKind, OtherFilesAreCalledWhatTheyAre) {
  const std::pair<std::string, std::string> kinds[] = {
      {"\x1f\x8b\x08\x00"s, "gzip"},
      {"BZh91AY"s, "bzip2"},
      {"\xfd"s + "7zXZ\0\0"s, "xz"},
      {"\x28\xb5\x2f\xfd\x04"s, "zstd"},
      {"PK\x03\x04\x14"s, "zip"},
      {"train.jsonl"s + std::string(246, '\0') + "ustar\0"s, "tar archive"},
      {"PAR1\x15"s, "Parquet"},
      {"ARROW1\0\0"s, "Arrow"},
      {"\xff\xff\xff\xff\x10"s, "Arrow"},
      {"SQLite format 3\0"s, "SQLite"},
      {"%PDF-1.7"s, "PDF"},
      {"\xff\xfe{\0\"\0"s, "UTF-16"},
      {"\xfe\xff\0{\0\""s, "UTF-16"},
      {"{\0\"\0t\0"s, "UTF-16"},
      {"\0{\0\"\0t"s, "UTF-16"},
      {"\xff\xfe\0\0{\0\0\0"s, "UTF-32"},
      {"[{\"text\": \"a\"}]", "JSON array"},
      {"\xEF\xBB\xBF\n [\n{\"text\": \"a\"}]", "JSON array"},
      {"{\n  \"text\": \"a\"\n}\n", "over several lines"},
      {"{ \"text\": \"a\",\n \"id\": 1 }\n", "over several lines"},
      {"prompt,completion\na,b\n", "CSV"},
      {"prompt\tcompletion\na\tb\n", "TSV"},
      {"<!DOCTYPE html>\n<html>", "HTML"},
      {"<?xml version=\"1.0\"?>\n", "XML"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"},
  };
  for (const auto& [bytes, name] : kinds) {
    EXPECT_EQ(refusal(bytes).find("data.jsonl: this is "), 0U) << refusal(bytes);
    EXPECT_NE(refusal(bytes).find(name), std::string::npos) << name << ": " << refusal(bytes);
  }
}

TEST(FileKind, JsonlPasses) {
  for (const char* text :
       {"", "\n\n", "{\"text\": \"a\"}", "\xEF\xBB\xBF\r\n  {\"text\": \"a,b\"}\r\n{}\n", "{\"text\": \"a\"",
        "{\"text\": \"PAR1, [\"}\n", "{\"a\": {\"b\": 1}}\n{", "{\"messages\": ["})
    EXPECT_EQ(refusal(text), "accepted") << text;
}

}  // namespace
}  // namespace cola
