#include "data/instruction_record.h"

#include <fmt/format.h>

#include <string_view>

#include "core/error.h"
#include "data/record_keys.h"

namespace cola {
namespace {

/// https://github.com/tatsu-lab/stanford_alpaca, train.py
constexpr std::string_view alpaca_with_input =
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{}\n\n### Input:\n{}\n\n### Response:";
constexpr std::string_view alpaca_without_input =
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{}\n\n### Response:";

}  // namespace

InstructionRecord read_alpaca(const JsonReader& record) {
  refuse_unread_keys(record, RecordForm::instruction);
  const std::string instruction = record.string("instruction");
  const std::string input = record.string("input", "");
  InstructionRecord read;
  read.system = record.string("system", "");
  read.completion = read.answer = record.string("output");
  if (input.empty()) {
    read.user = instruction;
    read.prompt = fmt::format(alpaca_without_input, instruction);
  } else {
    read.user = fmt::format("{}\n{}", instruction, input);
    read.prompt = fmt::format(alpaca_with_input, instruction, input);
  }
  return read;
}

bool is_alpaca(const JsonReader& record) {
  if (!record.has("instruction") || !record.has("output")) return false;
  if (!record.has("text")) return true;
  const std::string text = record.string("text");
  if (text.find(record.string("instruction")) != std::string::npos &&
      text.find(record.string("output")) != std::string::npos)
    return true;
  throw Error(
      fmt::format("{}: 'text' beside 'instruction' and 'output' is another text: say which is meant by "
                  "--text-field text, or --prompt-template and --completion-field output",
                  record.where()));
}

InstructionRecord read_question_and_answer(const JsonReader& record) {
  refuse_unread_keys(record, RecordForm::instruction);
  InstructionRecord read;
  read.user = record.string("question");
  read.answer = record.string("answer");
  read.system = record.string("system", "");
  read.prompt = fmt::format("Question: {}\nAnswer:", read.user);
  if (!read.answer.empty()) read.completion = fmt::format(" {}", read.answer);
  return read;
}

}  // namespace cola
