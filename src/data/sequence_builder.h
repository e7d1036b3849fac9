#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "data/record.h"

namespace cola {

/// Turns records into tokenised examples: BOS and EOS, which tokens are trained, windows and truncation.
class SequenceBuilder {
 public:
  /// `tokenizer` may be null (input_ids only) and is kept; throws UsageError if max_length < 2.
  SequenceBuilder(const Tokenizer* tokenizer, std::int64_t vocabulary_size, const DataOptions& options);

  /// Adds what becomes of `record` to `dataset` and its report. Errors begin with `where`.
  void add(const DataRecord& record, const std::string& where, Dataset& dataset) const;

 private:
  using Ids = std::vector<std::int32_t>;

  /// A sequence before truncation.
  struct Draft {
    Example example;
    bool starts_with_bos = false;
    std::size_t keep_from =
        0;  ///< tokens from here on are not cut: the completion, or the last assistant turn

    void append(std::int32_t id, bool trained);
  };

  void add_text(const TextRecord& record, const std::string& where, Dataset& dataset) const;
  void add_completion(const CompletionRecord& record, const std::string& where, Dataset& dataset) const;
  void add_chat(const ChatRecord& record, const std::string& where, Dataset& dataset) const;
  void add_tokens(const TokenRecord& record, const std::string& where, Dataset& dataset) const;

  void append_run(std::span<const ChatSegment> run, const std::string& where, Draft& draft) const;
  [[nodiscard]] Ids encode(std::string_view text, const std::string& where) const;
  [[nodiscard]] std::int32_t checked(std::int64_t id, std::string_view what, const std::string& where) const;
  void finish(Draft draft, Dataset& dataset) const;

  const Tokenizer* tokenizer_;
  std::int64_t vocabulary_size_;
  DataOptions options_;
  std::optional<std::int32_t> bos_, eos_;  ///< set where data of text has them
};

}  // namespace cola
