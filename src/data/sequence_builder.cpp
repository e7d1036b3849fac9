#include "data/sequence_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"

namespace cola {
namespace {

/// Adds an example, unless nothing in it is trained. A first token is never predicted.
void add_example(Example example, Dataset& dataset) {
  if (!example.labels.empty()) example.labels.front() = no_label;
  const std::int64_t loss_tokens = example.loss_tokens();
  DataReport& report = dataset.report;
  if (loss_tokens == 0) {
    ++report.skipped_empty;
    return;
  }
  ++report.sequences;
  report.tokens += static_cast<std::int64_t>(example.ids.size());
  report.loss_tokens += loss_tokens;
  dataset.examples.push_back(std::move(example));
}

}  // namespace

void SequenceBuilder::Draft::append(std::int32_t id, bool trained) {
  example.ids.push_back(id);
  example.labels.push_back(trained ? id : no_label);
}

SequenceBuilder::SequenceBuilder(const Tokenizer* tokenizer, std::int64_t vocabulary_size,
                                 const DataOptions& options)
    : tokenizer_(tokenizer), vocabulary_size_(vocabulary_size), options_(options) {
  if (options_.max_length < 2) {
    throw UsageError(fmt::format("--max-length {} is too short: at least 2 tokens", options_.max_length));
  }
  if (tokenizer_ == nullptr) return;
  bos_ = tokenizer_->special().bos;
  if (options_.append_eos) eos_ = tokenizer_->special().eos;
}

void SequenceBuilder::add(const DataRecord& record, const std::string& where, Dataset& dataset) const {
  ++dataset.report.records;
  if (const auto* tokens = std::get_if<TokenRecord>(&record)) return add_tokens(*tokens, where, dataset);
  if (tokenizer_ == nullptr) {
    throw UsageError(
        fmt::format("{}: text needs a tokenizer: give --tokenizer DIR, or data as input_ids", where));
  }
  if (const auto* text = std::get_if<TextRecord>(&record)) return add_text(*text, where, dataset);
  if (const auto* completion = std::get_if<CompletionRecord>(&record))
    return add_completion(*completion, where, dataset);
  add_chat(std::get<ChatRecord>(record), where, dataset);
}

std::int32_t SequenceBuilder::checked(std::int64_t id, std::string_view what,
                                      const std::string& where) const {
  if (id >= 0 && id < vocabulary_size_) return static_cast<std::int32_t>(id);
  throw Error(fmt::format("{}: {} {} is outside the model's vocabulary (0 to {})", where, what, id,
                          vocabulary_size_ - 1));
}

SequenceBuilder::Ids SequenceBuilder::encode(std::string_view text, const std::string& where) const {
  Ids ids = tokenizer_->encode(text);
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= vocabulary_size_) {
      throw Error(
          fmt::format("{}: the tokenizer makes id {}, but the model's vocabulary ({}) is smaller than the "
                      "tokenizer's ({}): give the model's own tokenizer",
                      where, id, vocabulary_size_, tokenizer_->vocabulary_size()));
    }
  }
  return ids;
}

void SequenceBuilder::add_text(const TextRecord& record, const std::string& where, Dataset& dataset) const {
  Ids body = encode(record.text, where);
  if (eos_) body.push_back(checked(*eos_, "EOS", where));
  const bool with_bos = bos_ && tokenizer_->special().add_bos;
  const auto room = static_cast<std::size_t>(options_.max_length) - (with_bos ? 1 : 0);
  if (body.size() > room) ++dataset.report.windowed;
  std::size_t begin = 0;
  do {
    const std::size_t end = std::min(body.size(), begin + room);
    Example window;
    window.ids.reserve(end - begin + 1);
    if (with_bos) window.ids.push_back(checked(*bos_, "BOS", where));
    window.ids.insert(window.ids.end(), body.begin() + static_cast<std::ptrdiff_t>(begin),
                      body.begin() + static_cast<std::ptrdiff_t>(end));
    window.labels = window.ids;
    add_example(std::move(window), dataset);
    begin = end;
  } while (begin < body.size());
}

void SequenceBuilder::add_completion(const CompletionRecord& record, const std::string& where,
                                     Dataset& dataset) const {
  const Ids ids = encode(record.prompt + record.completion, where);
  // A merge across the border can make the whole shorter than the prompt alone: then only EOS is the
  // completion's.
  const std::size_t prompt = std::min(ids.size(), encode(record.prompt, where).size());
  Draft draft;
  if (bos_ && tokenizer_->special().add_bos) {
    draft.append(checked(*bos_, "BOS", where), false);
    draft.starts_with_bos = true;
  }
  draft.keep_from = draft.example.ids.size() + prompt;
  for (std::size_t i = 0; i < ids.size(); ++i) draft.append(ids[i], i >= prompt || options_.train_on_prompt);
  if (eos_) draft.append(checked(*eos_, "EOS", where), true);
  finish(std::move(draft), dataset);
}

void SequenceBuilder::add_chat(const ChatRecord& record, const std::string& where, Dataset& dataset) const {
  if (!options_.chat_template) {
    throw UsageError(fmt::format("{}: messages need a chat template: {}", where, options_.no_chat_template));
  }
  ++dataset.report.chats;
  std::vector<ChatSegment> segments;
  try {
    if (!record.messages.empty()) segments = render_chat(*options_.chat_template, record.messages);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", where, error.what()));
  }
  Draft draft;
  draft.keep_from = std::numeric_limits<std::size_t>::max();  // nothing to keep until an assistant turn comes
  for (std::size_t begin = 0; begin < segments.size();) {
    if (segments[begin].bos && bos_) {
      draft.append(checked(*bos_, "BOS", where), options_.train_on_prompt);
    }
    std::size_t end = begin + 1;
    while (end < segments.size() && !(segments[end - 1].eos && eos_) && !(segments[end].bos && bos_)) ++end;
    append_run({segments.data() + begin, end - begin}, where, draft);
    const ChatSegment& last = segments[end - 1];
    if (last.eos && eos_)
      draft.append(checked(*eos_, "EOS", where), last.trained || options_.train_on_prompt);
    begin = end;
  }
  Example& example = draft.example;
  draft.keep_from = std::min(draft.keep_from, example.ids.size());
  // A template may itself begin with BOS, as a segment's flag or in its text: never two.
  draft.starts_with_bos = bos_ && !example.ids.empty() && example.ids.front() == *bos_;
  if (bos_ && tokenizer_->special().add_bos && !draft.starts_with_bos && !example.ids.empty()) {
    example.ids.insert(example.ids.begin(), checked(*bos_, "BOS", where));
    example.labels.insert(example.labels.begin(), no_label);
    draft.starts_with_bos = true;
    ++draft.keep_from;
  }
  finish(std::move(draft), dataset);
}

/// Tokenises the segments of one run as one string. A segment's tokens end after as many as the text up to
/// its end has.
void SequenceBuilder::append_run(std::span<const ChatSegment> run, const std::string& where,
                                 Draft& draft) const {
  std::string text;
  for (const ChatSegment& segment : run) text += segment.text;
  const Ids ids = encode(text, where);
  std::size_t bytes = 0;  // of `text`, up to the segment's end
  std::size_t next = 0;   // first token that is not appended yet
  for (std::size_t i = 0; i < run.size(); ++i) {
    bytes += run[i].text.size();
    const bool is_last = i + 1 == run.size();
    const std::size_t end =
        is_last ? ids.size() : encode(std::string_view(text).substr(0, bytes), where).size();
    if (run[i].trained) draft.keep_from = draft.example.ids.size();
    for (; next < std::min(end, ids.size()); ++next)
      draft.append(ids[next], run[i].trained || options_.train_on_prompt);
  }
}

void SequenceBuilder::add_tokens(const TokenRecord& record, const std::string& where,
                                 Dataset& dataset) const {
  if (record.ids.size() > static_cast<std::size_t>(options_.max_length)) {
    throw Error(fmt::format("{}: {} input_ids are more than --max-length {}: cut them, or raise it", where,
                            record.ids.size(), options_.max_length));
  }
  Example example;
  for (const std::int64_t id : record.ids) example.ids.push_back(checked(id, "input id", where));
  if (record.labels) {
    for (const std::int64_t label : *record.labels) {
      example.labels.push_back(label == no_label ? no_label : checked(label, "label", where));
    }
  } else {
    example.labels = example.ids;
  }
  add_example(std::move(example), dataset);
}

/// Cuts a draft that is too long from the left, keeping BOS and at least one token before what is kept.
void SequenceBuilder::finish(Draft draft, Dataset& dataset) const {
  Example& example = draft.example;
  const auto limit = static_cast<std::size_t>(options_.max_length);
  if (example.ids.size() > limit) {
    const std::size_t kept_bos = draft.starts_with_bos ? 1 : 0;
    const std::size_t first = example.ids.size() - limit + kept_bos;  // first token that stays, after BOS
    if (first + 1 > draft.keep_from + kept_bos) {
      ++dataset.report.skipped_long;
      return;
    }
    const auto cut = [&](std::vector<std::int32_t>& values) {
      values.erase(values.begin() + static_cast<std::ptrdiff_t>(kept_bos),
                   values.begin() + static_cast<std::ptrdiff_t>(first));
    };
    cut(example.ids);
    cut(example.labels);
    ++dataset.report.truncated;
  }
  add_example(std::move(example), dataset);
}

}  // namespace cola
