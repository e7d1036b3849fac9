#pragma once
#include "data/record.h"
#include "io/json.h"

namespace cola {

/// {"instruction", "input", "output"}, of which input may be missing or empty, and a "system". In a chat the
/// user's turn is the instruction and, on a line of its own, the input, as LLaMA-Factory has it; as text the
/// prompt is Stanford Alpaca's. Throws Error naming a field that is missing or no text.
[[nodiscard]] InstructionRecord read_alpaca(const JsonReader& record);

/// Whether the record has those fields, and is no text of its own beside them: a "text" that holds
/// instruction and output is a copy. Throws Error for another text beside them.
[[nodiscard]] bool is_alpaca(const JsonReader& record);

/// {"question", "answer"}, and a "system". As text "Question: ...\nAnswer: ...", the form of GSM8K in the LM
/// Evaluation Harness.
[[nodiscard]] InstructionRecord read_question_and_answer(const JsonReader& record);

}  // namespace cola
