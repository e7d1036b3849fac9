#include "data/sequence_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "text/token_borders.h"

namespace cola {
namespace {

constexpr std::string_view white_space = " \t\n\r\f\v";

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
  if (!example.weights.empty()) ++report.weighted;
  dataset.examples.push_back(std::move(example));
}

/// Tokens with their weights in the loss as an example.
Example weighted_example(std::vector<std::int32_t> ids, const std::vector<float>& weights) {
  Example example{.ids = std::move(ids), .labels = {}};
  for (std::size_t i = 0; i < weights.size(); ++i)
    example.labels.push_back(weights[i] > 0.0F ? example.ids[i] : no_label);
  if (std::ranges::any_of(weights, [](float weight) { return weight != 0.0F && weight != 1.0F; }))
    example.weights = weights;
  return example;
}

}  // namespace

void SequenceBuilder::Draft::append(std::int32_t id, float weight) {
  ids.push_back(id);
  weights.push_back(weight);
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
  if (const auto* tokens = std::get_if<TokenRecord>(&record.form))
    return add_tokens(*tokens, record.weight, where, dataset);
  if (tokenizer_ == nullptr) {
    throw UsageError(
        fmt::format("{}: text needs a tokenizer: give --tokenizer DIR, or data as input_ids", where));
  }
  if (const auto* text = std::get_if<TextRecord>(&record.form))
    return add_text(*text, record.weight, where, dataset);
  if (const auto* completion = std::get_if<CompletionRecord>(&record.form))
    return add_completion(*completion, record.weight, where, dataset);
  add_chat(std::get<ChatRecord>(record.form), record.weight, where, dataset);
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

bool SequenceBuilder::take_own_bos(Ids& ids) const {
  if (!bos_ || !tokenizer_->special().add_bos || ids.empty() || ids.front() != *bos_) return false;
  ids.erase(ids.begin());
  return true;
}

bool SequenceBuilder::has_own_end(std::span<const std::int32_t> ids) const {
  for (std::size_t i = ids.size(); i-- > 0;) {
    if (tokenizer_->special().is_end(ids[i])) return true;
    if (tokenizer_->text_of(ids[i]).bytes.find_first_not_of(white_space) != std::string::npos) return false;
  }
  return false;
}

void SequenceBuilder::add_text(const TextRecord& record, float weight, const std::string& where,
                               Dataset& dataset) const {
  Ids body = encode(record.text, where);
  const bool own_bos = take_own_bos(body);
  const bool own_end = eos_ && has_own_end(body);
  if (own_bos || own_end) ++dataset.report.own_special;
  if (eos_ && !own_end) body.push_back(checked(*eos_, "EOS", where));
  const bool with_bos = bos_ && tokenizer_->special().add_bos;
  const auto room = static_cast<std::size_t>(options_.max_length) - (with_bos ? 1 : 0);
  if (body.size() > room) ++dataset.report.windowed;
  std::size_t begin = 0;
  do {
    const std::size_t end = std::min(body.size(), begin + room);
    Ids window;
    window.reserve(end - begin + 1);
    if (with_bos) window.push_back(checked(*bos_, "BOS", where));
    window.insert(window.end(), body.begin() + static_cast<std::ptrdiff_t>(begin),
                  body.begin() + static_cast<std::ptrdiff_t>(end));
    const std::vector<float> weights(window.size(), weight);
    add_example(weighted_example(std::move(window), weights), dataset);
    begin = end;
  } while (begin < body.size());
}

void SequenceBuilder::add_completion(const CompletionRecord& record, float weight, const std::string& where,
                                     Dataset& dataset) const {
  const std::string text = record.prompt + record.completion;
  Ids ids = encode(text, where);
  const std::size_t border[] = {record.prompt.size()};
  TokenBorder first = find_borders(*tokenizer_, text, ids, border).front();
  const bool own_bos = take_own_bos(ids);
  if (own_bos && first.token > 0) --first.token;
  const bool own_end = eos_ && has_own_end(std::span(ids).subspan(first.token));
  if (own_bos || own_end) ++dataset.report.own_special;
  if (first.merged && !options_.train_on_prompt) ++dataset.report.merged_borders;
  const float prompt_weight = options_.train_on_prompt ? weight : 0.0F;
  Draft draft;
  if (bos_ && tokenizer_->special().add_bos) {
    draft.append(checked(*bos_, "BOS", where), 0.0F);
    draft.starts_with_bos = true;
  }
  draft.keep_from = draft.ids.size() + first.token;
  for (std::size_t i = 0; i < ids.size(); ++i)
    draft.append(ids[i], i >= first.token ? weight : prompt_weight);
  if (eos_ && !own_end) draft.append(checked(*eos_, "EOS", where), weight);
  finish(std::move(draft), dataset);
}

std::vector<ChatMessage> SequenceBuilder::without_own_special(std::vector<ChatMessage> messages,
                                                              std::int64_t& taken) const {
  std::vector<std::string> ends;
  if (const std::string_view end = end_of_turn(*options_.chat_template); !end.empty()) ends.emplace_back(end);
  if (eos_) ends.push_back(tokenizer_->piece(*eos_));
  for (ChatMessage& message : messages) {
    const std::string_view content = message.content;
    const std::string_view text = content.substr(0, content.find_last_not_of(white_space) + 1);
    const auto end = std::ranges::find_if(ends, [&](const std::string& end) { return text.ends_with(end); });
    if (end == ends.end() || (end != ends.begin() && message.role != "assistant")) continue;
    message.content.resize(text.size() - end->size());
    ++taken;
  }
  if (!bos_ || messages.empty()) return messages;
  if (const std::string bos = tokenizer_->piece(*bos_); messages.front().content.starts_with(bos)) {
    messages.front().content.erase(0, bos.size());
    ++taken;
  }
  return messages;
}

float SequenceBuilder::weight_of(const ChatSegment& segment) const {
  return segment.trained || options_.train_on_prompt ? segment.weight : 0.0F;
}

void SequenceBuilder::add_chat(const ChatRecord& record, float weight, const std::string& where,
                               Dataset& dataset) const {
  if (!options_.chat_template) {
    throw UsageError(fmt::format("{}: messages need a chat template: {}", where, options_.no_chat_template));
  }
  ++dataset.report.chats;
  std::vector<ChatSegment> segments;
  std::int64_t taken = 0;
  try {
    if (!record.messages.empty())
      segments = render_chat(*options_.chat_template, without_own_special(record.messages, taken));
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", where, error.what()));
  }
  if (taken > 0) ++dataset.report.own_special;
  Draft draft;
  draft.keep_from = std::numeric_limits<std::size_t>::max();  // nothing to keep until an assistant turn comes
  for (std::size_t begin = 0; begin < segments.size();) {
    if (segments[begin].bos && bos_) {
      draft.append(checked(*bos_, "BOS", where), options_.train_on_prompt ? weight : 0.0F);
    }
    std::size_t end = begin + 1;
    while (end < segments.size() && !(segments[end - 1].eos && eos_) && !(segments[end].bos && bos_)) ++end;
    append_run({segments.data() + begin, end - begin}, weight, where, draft, dataset.report);
    const ChatSegment& last = segments[end - 1];
    if (last.eos && eos_) draft.append(checked(*eos_, "EOS", where), weight * weight_of(last));
    begin = end;
  }
  draft.keep_from = std::min(draft.keep_from, draft.ids.size());
  // A template may itself begin with BOS, as a segment's flag or in its text: never two.
  draft.starts_with_bos = bos_ && !draft.ids.empty() && draft.ids.front() == *bos_;
  if (bos_ && tokenizer_->special().add_bos && !draft.starts_with_bos && !draft.ids.empty()) {
    draft.ids.insert(draft.ids.begin(), checked(*bos_, "BOS", where));
    draft.weights.insert(draft.weights.begin(), 0.0F);
    draft.starts_with_bos = true;
    ++draft.keep_from;
  }
  finish(std::move(draft), dataset);
}

/// Tokenises the segments of one run as one string. A token in several of them has the largest of their
/// weights.
void SequenceBuilder::append_run(std::span<const ChatSegment> run, float weight, const std::string& where,
                                 Draft& draft, DataReport& report) const {
  std::string text;
  std::vector<std::size_t> begins;
  for (const ChatSegment& segment : run) {
    begins.push_back(text.size());
    text += segment.text;
  }
  const Ids ids = encode(text, where);
  std::vector<TokenBorder> borders = find_borders(*tokenizer_, text, ids, begins);
  borders.push_back({ids.size(), false});
  const std::size_t before = draft.ids.size();
  for (const std::int32_t id : ids) draft.append(id, 0.0F);
  for (std::size_t i = 0; i < run.size(); ++i) {
    const float own = weight * weight_of(run[i]);
    const std::size_t end = borders[i + 1].token + (borders[i + 1].merged ? 1 : 0);
    for (std::size_t t = borders[i].token; t < end; ++t)
      draft.weights[before + t] = std::max(draft.weights[before + t], own);
    if (run[i].trained) draft.keep_from = before + borders[i].token;
    if (borders[i].merged && weight_of(run[i - 1]) != weight_of(run[i])) ++report.merged_borders;
  }
}

void SequenceBuilder::add_tokens(const TokenRecord& record, float weight, const std::string& where,
                                 Dataset& dataset) const {
  if (record.ids.size() > static_cast<std::size_t>(options_.max_length)) {
    throw Error(fmt::format("{}: {} input_ids are more than --max-length {}: cut them, or raise it", where,
                            record.ids.size(), options_.max_length));
  }
  Example example;
  for (const std::int64_t id : record.ids) example.ids.push_back(checked(id, "input id", where));
  for (const std::int64_t label : record.labels) {
    const bool trained = label != no_label;
    const std::int32_t target = trained ? checked(label, "label", where) : no_label;
    example.labels.push_back(weight > 0.0F ? target : no_label);
  }
  if (weight != 0.0F && weight != 1.0F) example.weights.assign(example.ids.size(), weight);
  add_example(std::move(example), dataset);
}

/// Cuts a draft that is too long from the left, keeping BOS and at least one token before what is kept.
void SequenceBuilder::finish(Draft draft, Dataset& dataset) const {
  const auto limit = static_cast<std::size_t>(options_.max_length);
  if (draft.ids.size() > limit) {
    const std::size_t kept_bos = draft.starts_with_bos ? 1 : 0;
    const std::size_t first = draft.ids.size() - limit + kept_bos;  // first token that stays, after BOS
    if (first + 1 > draft.keep_from + kept_bos) {
      ++dataset.report.skipped_long;
      return;
    }
    const auto cut = [&](auto& values) {
      values.erase(values.begin() + static_cast<std::ptrdiff_t>(kept_bos),
                   values.begin() + static_cast<std::ptrdiff_t>(first));
    };
    cut(draft.ids);
    cut(draft.weights);
    ++dataset.report.truncated;
  }
  add_example(weighted_example(std::move(draft.ids), draft.weights), dataset);
}

}  // namespace cola
