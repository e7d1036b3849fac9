#include "data/parquet_reader.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "data/record_source.h"
#include "io/files.h"
#include "support/files.h"

namespace cola {
namespace {

class Parquet : public testing::Test {
 protected:
  void SetUp() override {
    try {
      (void)open_parquet(file("pairs"));
    } catch (const Error& error) {
      const std::string refusal = error.what();
      ASSERT_NE(
          refusal.find("pairs.parquet: this is Parquet, and the program was built without Apache Arrow"),
          std::string::npos)
          << refusal;
      GTEST_SKIP() << "built without Apache Arrow";
    }
  }
  static std::filesystem::path file(const std::string& name) {
    return test::test_files() / "parquet" / (name + ".parquet");
  }
  static std::vector<std::string> rows(const std::filesystem::path& file) {
    const auto source = open_records(file);
    std::vector<std::string> all;
    for (std::string record; source->next(record);) all.push_back(record);
    EXPECT_EQ(source->bytes_read(), source->bytes_in_all());
    return all;
  }
  static std::string refusal(const std::filesystem::path& file) {
    try {
      (void)rows(file);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  test::TemporaryFolder folder_;
};

TEST_F(Parquet, RowsAreObjectsWithoutWhatIsNull) {
  EXPECT_EQ(rows(file("kinds")),
            (std::vector<std::string>{
                R"({"prompt":"Say cat.","completion":" cat","whole":1,"day":"2026-03-09",)"
                R"("time":"2026-03-09 14:05:06.000000","price":"1.50","real":0.1,"single":0.1,"truth":true,)"
                R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","name":"x"}],)"
                R"("large":"l","fixed":[1,2],"map":{"k":"v"}})",
                R"({"prompt":"Say \"ü\n\\\".","completion":" big","whole":4611686018427387904,)"
                R"("real":1e+300,"truth":false,"messages":[],"fixed":[3,4],"map":{}})",
                R"({"completion":" cat","day":"1999-12-31","real":-0.0,"single":2.0,"large":""})"}));
  EXPECT_EQ(rows(file("pairs")), (std::vector<std::string>{R"({"prompt":"Say cat.","completion":" cat."})",
                                                           R"({"prompt":"Say big.","completion":" big."})"}));
}

TEST_F(Parquet, WhatJsonDoesNotHaveIsRefusedByItsColumn) {
  EXPECT_NE(refusal(file("binary")).find("column 'prompt' has values of type binary"), std::string::npos)
      << refusal(file("binary"));
  EXPECT_NE(refusal(file("nan")).find("nan.parquet, row 2: 'weight' is nan"), std::string::npos)
      << refusal(file("nan"));
}

/// Cut anywhere, or with any byte changed: an Error or rows, never anything else.
TEST_F(Parquet, DamagedFilesEndInAnError) {
  const std::string whole = read_text_file(file("pairs"));
  const auto damaged = folder_ / "damaged.parquet";
  for (std::size_t size = 4; size < whole.size(); size += 7) {
    std::ofstream(damaged, std::ios::binary) << whole.substr(0, size);
    EXPECT_NE(refusal(damaged).find("damaged.parquet: cannot be read as Parquet"), std::string::npos) << size;
  }
}

}  // namespace
}  // namespace cola
