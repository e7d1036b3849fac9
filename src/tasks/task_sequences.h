#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/question.h"
#include "tasks/task.h"
#include "text/tokenizer.h"

namespace cola {

/// Tokens that a generated answer may have at most: the room that a generating task's prompt leaves.
inline constexpr std::int64_t max_answer_tokens = 50;

/// How texts become tokens.
struct TaskEncoding {
  const Tokenizer* tokenizer = nullptr;  ///< not owned, must be set
  std::optional<std::int32_t> bos;       ///< put first; nothing where absent
  std::int64_t max_length = 2048;        ///< tokens, BOS included
};

/// The sequence length of a task on a model of `model_max_length` positions: max_answer_tokens less where the
/// answer is generated, in training too. Throws UsageError if nothing would be left.
[[nodiscard]] std::int64_t task_max_length(const Task& task, std::int64_t model_max_length);

// A sequence is BOS and the tokens of: demonstrations and text joined by blank lines, without white space on
// the left and spaces at both ends. Longer than max_length, it is cut from the left, behind BOS. An answer's
// tokens are the last ones of its text: those that hold any of what follows the prompt. `demonstrations` are
// texts with their answers (TaskItem::answered), white space at their ends ignored. Errors name the example.

/// The candidates of `item`, labelled on the answers' tokens; gold is the first right one. Throws Error: no
/// candidates, none of them right, an answer of no tokens, an answer that does not fit max_length.
[[nodiscard]] Question encode_question(const TaskItem& item, std::span<const std::string> demonstrations,
                                       const TaskEncoding& encoding);

/// The text with the gold answer, labelled on the answer's tokens: what the language-model objective trains
/// on. `merged_borders` (may be null) is counted up where the answer begins inside a token. Throws Error: an
/// answer of no tokens, or one that does not fit max_length.
[[nodiscard]] Example encode_answered(const TaskItem& item, const TaskEncoding& encoding,
                                      std::int64_t* merged_borders = nullptr);

/// The text without an answer, for generation.
[[nodiscard]] std::vector<std::int32_t> encode_prompt(const TaskItem& item,
                                                      std::span<const std::string> demonstrations,
                                                      const TaskEncoding& encoding);

}  // namespace cola
