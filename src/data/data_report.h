#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "io/json.h"

namespace cola {

/// What became of files' records; printed before training.
struct DataReport {
  std::int64_t records = 0;
  std::map<std::string, std::int64_t, std::less<>>
      forms{};                         // NOLINT: as in Example. By DataRecord::form_name
  std::int64_t chats = 0;              ///< records that are rendered as chats
  std::int64_t without_answer = 0;     ///< skipped: chats without an assistant's turn, empty answers
  std::int64_t sequences = 0;          ///< examples made
  std::int64_t windowed = 0;           ///< texts longer than max_length, cut into windows
  std::int64_t truncated = 0;          ///< prompts cut from the left
  std::int64_t skipped_long = 0;       ///< completions that do not fit
  std::int64_t skipped_empty = 0;      ///< sequences without a trainable token
  std::int64_t merged_borders = 0;     ///< borders of what is trained inside a token, which is trained
  std::int64_t own_special = 0;        ///< records whose text has the BOS or EOS that would be added
  std::int64_t weighted = 0;           ///< sequences with weights other than 1
  bool from_cache = false;             ///< was tokenised before (token_cache.h)
  bool of_pairs = false;               ///< sequences are preference pairs
  std::int64_t equal_answers = 0;      ///< skipped: pairs whose answers are the same
  std::int64_t shortened_prompts = 0;  ///< pairs whose prompt alone has other last tokens than with an answer
  std::int64_t parsed_arguments = 0;   ///< chats whose tool calls' arguments were text
  std::int64_t tokens = 0;
  std::int64_t loss_tokens = 0;
  /// What the chat template did to messages, by ChatRemark::what: how many, and the first one in words.
  std::map<std::string, std::pair<std::int64_t, std::string>, std::less<>> chat_remarks{};  // NOLINT

  [[nodiscard]] std::string summary() const;  ///< one line
  /// Adds what became of another file's.
  void add(const DataReport& other);
};

/// All of it but from_cache and of_pairs; read again by data_report_of, which throws Error beginning with
/// `where`.
[[nodiscard]] Json json_of(const DataReport& report);
[[nodiscard]] DataReport data_report_of(const Json& json, const std::string& where);

}  // namespace cola
