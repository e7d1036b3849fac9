#pragma once
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "data/dataset.h"
#include "io/file_hashes.h"

namespace cola {

/// What the sequences of a data file depend on beside the file.
struct SequenceSource {
  std::string kind;  ///< of what is read: "sequences", "pairs"
  const Tokenizer* tokenizer = nullptr;
  std::int64_t vocabulary_size = 0;
  const DataOptions& options;
};

using SequenceSink = std::function<void(const Sequences&)>;
/// Reads a data file: gives its sequences part by part, and then what became of its records.
using SequenceReader = std::function<DataReport(const SequenceSink&)>;

/// Tokenised data files in a folder: one entry for each content, tokenizer, template, set of options and
/// build of the program, which is written once and then mapped by any number of processes. Entries that
/// nobody used for 30 days go when another is written.
class TokenCache {
 public:
  /// In `folder`, which need not exist. `tokenizer`: the folder or GGUF file that the tokenizer is of. `note`
  /// is called with lines for the user.
  TokenCache(std::filesystem::path folder, std::filesystem::path tokenizer,
             std::function<void(const std::string&)> note);

  /// The sequences of `file` from their entry, else from `read`, which is then made an entry. While another
  /// process makes it, waits for it. Where the folder cannot be written, or the file is a pipe, notes so and
  /// keeps nothing. Throws what `read` throws, and Error where the file changes meanwhile.
  [[nodiscard]] Dataset sequences_of(const std::filesystem::path& file, const SequenceSource& source,
                                     const ReadingReport& each, const SequenceReader& read) const;

 private:
  struct Entry {
    std::filesystem::path folder;
    std::string made_of;  ///< all that it depends on, in words
    std::int64_t vocabulary_size = 0;
  };

  [[nodiscard]] Entry entry_of(const std::filesystem::path& file, const SequenceSource& source,
                               const ReadingReport& each) const;
  [[nodiscard]] std::optional<Dataset> open(const Entry& entry) const;
  /// `failure`: of the data, where it throws that.
  void make(const Entry& entry, const std::filesystem::path& file, const std::string& identity,
            const SequenceReader& read, std::exception_ptr& failure) const;
  [[nodiscard]] std::string tokenizer_hash() const;

  std::filesystem::path folder_;
  std::filesystem::path tokenizer_;
  std::function<void(const std::string&)> note_;
  FileHashes hashes_;
};

/// cola/tokens in $XDG_CACHE_HOME, else in ~/.cache; empty where there is neither.
[[nodiscard]] std::filesystem::path user_token_cache();

/// From `cache`, or, where that is null, from `read` alone.
[[nodiscard]] Dataset read_through(const TokenCache* cache, const std::filesystem::path& file,
                                   const SequenceSource& source, const ReadingReport& each,
                                   const SequenceReader& read);

}  // namespace cola
