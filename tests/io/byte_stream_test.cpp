#include "io/byte_stream.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <fstream>
#include <numeric>

#include "core/error.h"
#include "support/files.h"

namespace cola {
namespace {

std::string gzip(const std::string& text) {
  z_stream zlib = {};
  EXPECT_EQ(deflateInit2(&zlib, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&zlib, text.size()), '\0');
  std::string input = text;
  zlib.next_in = reinterpret_cast<Bytef*>(input.data());
  zlib.avail_in = static_cast<uInt>(input.size());
  zlib.next_out = reinterpret_cast<Bytef*>(packed.data());
  zlib.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&zlib, Z_FINISH), Z_STREAM_END);
  packed.resize(zlib.total_out);
  deflateEnd(&zlib);
  return packed;
}

std::string zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);  // as the zstd program does
  packed.resize(ZSTD_compress2(context.get(), packed.data(), packed.size(), text.data(), text.size()));
  return packed;
}

class ByteStreamTest : public testing::Test {
 protected:
  /// What is read of a file with that content, by that many bytes at a time; of an Error "error: ...".
  [[nodiscard]] std::string read(const std::string& content, std::size_t step = 4096) const {
    const auto file = folder_ / "data";
    std::ofstream(file, std::ios::binary) << content;
    std::string text;
    try {
      const auto stream = open_byte_stream(file);
      EXPECT_EQ(stream->bytes_in_all(), static_cast<std::int64_t>(content.size()));
      std::vector<char> buffer(step);
      while (const std::size_t count = stream->read(buffer)) text.append(buffer.data(), count);
      EXPECT_EQ(stream->read(buffer), 0U);
      EXPECT_EQ(stream->bytes_read(), static_cast<std::int64_t>(content.size()));
    } catch (const Error& error) {
      return std::string("error: ") + error.what();
    }
    return text;
  }
  void expect_error(const std::string& content, const std::string& message) const {
    const std::string said = read(content);
    EXPECT_EQ(said.find("error: " + (folder_ / "data").string() + ": "), 0U) << said.substr(0, 200);
    EXPECT_NE(said.find(message), std::string::npos) << said.substr(0, 200);
  }

  test::TemporaryFolder folder_;
};

std::string long_text() {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i * 7919 % 100'003) + "\n";
  return text;
}

TEST_F(ByteStreamTest, FilesAreReadAsTheyAreOrUnpacked) {
  const std::string text = long_text();
  for (const std::string& content : {std::string(), std::string("a"), std::string("ab\n"), text}) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{100'000}}) {
      if (content.size() > 1000 && step == 1) continue;
      EXPECT_EQ(read(content, step), content);
      EXPECT_EQ(read(gzip(content), step), content);
      EXPECT_EQ(read(zstd(content), step), content);
    }
  }
}

TEST_F(ByteStreamTest, MembersAndFramesFollowEachOther) {
  EXPECT_EQ(read(gzip("a") + gzip("") + gzip("b")), "ab");
  EXPECT_EQ(read(gzip("a") + gzip("b") + std::string(600, '\0')), "ab");
  EXPECT_EQ(read(zstd("a") + zstd("") + zstd("b")), "ab");
}

TEST_F(ByteStreamTest, WhatIsCutOffOrDamagedIsRefused) {
  const std::string text = long_text();
  for (const std::size_t kept :
       {std::size_t{3}, std::size_t{12}, gzip(text).size() / 2, gzip(text).size() - 1})
    expect_error(gzip(text).substr(0, kept), "cut off");
  for (const std::size_t kept : {std::size_t{5}, zstd(text).size() / 2, zstd(text).size() - 1})
    expect_error(zstd(text).substr(0, kept), "cut off");
  expect_error(gzip(text) + "behind it", "damaged");
  std::string changed = gzip(text);
  changed[changed.size() - 6] ^= 1;  // of the checksum
  expect_error(changed, "damaged");
  changed = zstd(text);
  changed[changed.size() / 2] ^= 1;
  expect_error(changed, "cannot be unpacked");
}

TEST_F(ByteStreamTest, WhatCannotBeOpenedIsNamed) {
  EXPECT_THROW((void)open_byte_stream(folder_ / "none"), Error);
  EXPECT_THROW((void)open_byte_stream(folder_.path()), Error);
}

}  // namespace
}  // namespace cola
