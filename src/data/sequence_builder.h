#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/record.h"
#include "data/token_encoder.h"

namespace cola {

/// Turns records into tokenised examples: BOS and EOS, which tokens are trained, windows and truncation.
class SequenceBuilder {
 public:
  /// `tokenizer` may be null (input_ids only) and is kept; throws UsageError if max_length < 2.
  SequenceBuilder(const Tokenizer* tokenizer, std::int64_t vocabulary_size, const DataOptions& options);

  /// Adds what becomes of `record` to `dataset` and its report. Errors begin with `where`.
  void add(const DataRecord& record, const std::string& where, Dataset& dataset) const;

 private:
  using Ids = TokenEncoder::Ids;

  /// A sequence before truncation.
  struct Draft {
    Ids ids;
    std::vector<float> weights;  ///< of each token in the loss; 0: not trained
    bool starts_with_bos = false;
    std::size_t keep_from =
        0;  ///< tokens from here on are not cut: the completion, or the last assistant turn

    void append(std::int32_t id, float weight);
  };

  /// Tokens [begin, end), every one that holds a byte of a span.
  struct TokenSpan {
    std::size_t begin, end;
    bool begins_merged;  ///< the first token holds text before the span, too
    int merged;          ///< of the two borders

    void fill(std::vector<float>& weights, float weight) const;
  };

  void add_text(const TextRecord& record, float weight, const std::string& where, Dataset& dataset) const;
  void add_completion(const CompletionRecord& record, float weight, const std::string& where,
                      Dataset& dataset) const;
  void add_chat(const ChatRecord& record, float weight, const std::string& where, Dataset& dataset) const;
  void add_instruction(const InstructionRecord& record, float weight, const std::string& where,
                       Dataset& dataset) const;
  void add_tokens(const TokenRecord& record, float weight, const std::string& where, Dataset& dataset) const;

  /// The chat's messages without special tokens of their own that the template adds; their number is added to
  /// `taken`.
  [[nodiscard]] jinja::Value without_own_special(const jinja::Value& messages, std::int64_t& taken) const;
  [[nodiscard]] std::vector<std::pair<TokenSpan, ChatSpan>> token_spans(
      std::string_view text, std::span<const std::int32_t> ids, std::span<const ChatSpan> spans) const;
  [[nodiscard]] TrainedChat render(const ChatRecord& record, const std::string& where,
                                   DataReport& report) const;
  void finish(Draft draft, Dataset& dataset) const;

  TokenEncoder encoder_;
  DataOptions options_;
  std::vector<std::string> ends_;  ///< texts that end a turn: the template's first
};

}  // namespace cola
