#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/error.h"
#include "data/dataset.h"
#include "io/content_hash.h"
#include "io/durable_file.h"

namespace cola {

/// The cache's disk is full, or its folder cannot be written: no fault of the data.
class TokenCacheError : public Error {
 public:
  using Error::Error;
};

/// Writes an entry of the token cache, sequences as they come, into a folder that exists. Throws
/// TokenCacheError.
class TokenCacheWriter {
 public:
  explicit TokenCacheWriter(const std::filesystem::path& folder);
  void add(const Sequences& sequences);  ///< all in memory
  void finish(const DataReport& report, const std::string& made_of);

 private:
  std::filesystem::path folder_;
  DurableFile words_, index_;
  ContentHash index_hash_;
  std::uint64_t end_ = 0;
};

/// What a writer wrote. Throws Error where the entry is not whole, or made of something else. Sequences are
/// checked when they are read, the rest here.
[[nodiscard]] Dataset open_token_cache_entry(const std::filesystem::path& folder, const std::string& made_of,
                                             std::int64_t vocabulary_size);

/// Notes that the entry is in use.
void touch_token_cache_entry(const std::filesystem::path& folder);

/// Removes entries that are not in use any more, and what killed processes left; none that a process is
/// making.
void tidy_token_cache(const std::filesystem::path& folder);

/// Held while an entry is made.
[[nodiscard]] std::filesystem::path token_cache_lock(const std::filesystem::path& entry);

}  // namespace cola
