#include "tasks/task_sequences.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "io/printable.h"
#include "tasks/task_text.h"
#include "text/token_borders.h"

namespace cola {
namespace {

std::string join_demonstrations(std::span<const std::string> demonstrations) {
  std::string text;
  for (const std::string& demonstration : demonstrations) {
    if (!text.empty()) text += "\n\n";
    text += strip_whitespace(demonstration);
  }
  return text;
}

std::vector<std::int32_t> encode_text(const std::string& demonstrations, const std::string& text,
                                      const TaskEncoding& encoding) {
  const std::string whole = demonstrations + "\n\n" + text;
  std::vector<std::int32_t> ids = encoding.tokenizer->encode(strip_spaces(strip_left_whitespace(whole)));
  const std::size_t room = static_cast<std::size_t>(encoding.max_length) - (encoding.bos ? 1 : 0);
  if (ids.size() > room) ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(room));
  const bool has_bos = encoding.bos && !ids.empty() && ids.front() == *encoding.bos;
  if (encoding.bos && !has_bos) ids.insert(ids.begin(), *encoding.bos);
  return ids;
}

void require_encoding(const TaskEncoding& encoding) {
  if (encoding.tokenizer == nullptr) throw UsageError("a task needs a tokenizer: give --tokenizer DIR");
  if (encoding.max_length < 2) {
    throw UsageError(fmt::format("--max-length {} is too short: at least 2 tokens", encoding.max_length));
  }
}

/// How many tokens at the end of `text` hold some of its answer: what follows the prompt. Where a text does
/// not begin with its prompt, as many as it has more.
std::size_t answer_tokens(const std::string& text, const TaskItem& item, const TaskEncoding& encoding,
                          std::int64_t& merged_borders) {
  const std::vector<std::int32_t> ids = encoding.tokenizer->encode(text);
  if (!text.starts_with(item.prompt)) {
    const std::size_t prompt = encoding.tokenizer->encode(item.prompt).size();
    return ids.size() - std::min(ids.size(), prompt);
  }
  const std::size_t border[] = {item.prompt.size()};
  const TokenBorder first = find_borders(*encoding.tokenizer, text, ids, border).front();
  if (first.merged) ++merged_borders;
  return ids.size() - first.token;
}

/// `text`, the example's text with the answer called `answer`, labelled on the answer's tokens.
Example encode_labelled(const std::string& demonstrations, const std::string& text, const std::string& answer,
                        const TaskItem& item, const TaskEncoding& encoding, std::int64_t& merged_borders) {
  const std::size_t option = answer_tokens(text, item, encoding, merged_borders);
  if (option == 0) {
    throw Error(
        fmt::format("example {}: the answer '{}' has no token of its own: it must make the text longer",
                    printable(item.id), printable(answer)));
  }
  Example example;
  example.ids = encode_text(demonstrations, text, encoding);
  if (option >= example.ids.size()) {  // the sequence's first token is never predicted
    throw Error(
        fmt::format("example {}: the answer '{}' is {} tokens and does not fit into {}: raise "
                    "--max-length",
                    printable(item.id), printable(answer), option, encoding.max_length));
  }
  example.labels.assign(example.ids.size(), no_label);
  std::copy_n(example.ids.rbegin(), option, example.labels.rbegin());
  return example;
}

}  // namespace

std::int64_t task_max_length(const Task& task, std::int64_t model_max_length) {
  const std::int64_t length = model_max_length - (task.generates ? max_answer_tokens : 0);
  if (length >= 2) return length;
  throw UsageError(fmt::format("task {}: {} tokens are too few: at least {}{}", task.name, model_max_length,
                               model_max_length - length + 2,
                               task.generates ? ", of which 50 are for the generated answer" : ""));
}

Question encode_question(const TaskItem& item, std::span<const std::string> demonstrations,
                         const TaskEncoding& encoding) {
  require_encoding(encoding);
  if (item.candidates.empty()) {
    throw Error(fmt::format("example {}: no candidates to choose from", printable(item.id)));
  }
  if (item.correct.empty()) {
    throw Error(fmt::format("example {}: none of its candidates is right", printable(item.id)));
  }
  const std::string joined = join_demonstrations(demonstrations);
  Question question;
  for (std::size_t c = 0; c < item.candidates.size(); ++c) {
    const std::string& name = c < item.candidate_names.size() ? item.candidate_names[c] : item.candidates[c];
    question.candidates.push_back(
        encode_labelled(joined, item.candidates[c], name, item, encoding, question.merged_borders));
  }
  question.gold = item.correct.front();
  return question;
}

Example encode_answered(const TaskItem& item, const TaskEncoding& encoding, std::int64_t* merged_borders) {
  require_encoding(encoding);
  const std::string answer = item.answered.substr(std::min(item.prompt.size(), item.answered.size()));
  std::int64_t merged = 0;
  Example example = encode_labelled("", item.answered, answer, item, encoding, merged);
  if (merged_borders != nullptr) *merged_borders += merged;
  return example;
}

std::vector<std::int32_t> encode_prompt(const TaskItem& item, std::span<const std::string> demonstrations,
                                        const TaskEncoding& encoding) {
  require_encoding(encoding);
  return encode_text(join_demonstrations(demonstrations), item.prompt, encoding);
}

}  // namespace cola
