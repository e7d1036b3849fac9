#include "data/sequence_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "data/chat_text.h"
#include "text/chat/origins.h"
#include "text/token_borders.h"

namespace cola {

using jinja::List;
using jinja::Value;

namespace {

constexpr std::string_view white_space = " \t\n\r\f\v";

std::string_view stripped_left(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(white_space), text.size()));
}

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
  dataset.examples.push_back(example);
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
    : encoder_(tokenizer, vocabulary_size, options.append_eos), options_(options) {
  if (options_.max_length < 2) {
    throw UsageError(fmt::format("--max-length {} is too short: at least 2 tokens", options_.max_length));
  }
  if (tokenizer == nullptr) return;
  if (options_.chat_format) ends_.emplace_back(stripped_left(options_.chat_format->end_of_turn()));
  if (encoder_.eos()) ends_.push_back(encoder_.tokenizer().piece(*encoder_.eos()));
  std::erase(ends_, "");
}

void SequenceBuilder::add(const DataRecord& record, const std::string& where, Dataset& dataset) const {
  ++dataset.report.records;
  ++dataset.report.forms[std::string(record.form_name)];
  if (const auto* tokens = std::get_if<TokenRecord>(&record.form))
    return add_tokens(*tokens, record.weight, where, dataset);
  encoder_.require_tokenizer(where);
  if (const auto* text = std::get_if<TextRecord>(&record.form))
    return add_text(*text, record.weight, where, dataset);
  if (const auto* completion = std::get_if<CompletionRecord>(&record.form))
    return add_completion(*completion, record.weight, where, dataset);
  if (const auto* instruction = std::get_if<InstructionRecord>(&record.form))
    return add_instruction(*instruction, record.weight, where, dataset);
  add_chat(std::get<ChatRecord>(record.form), record.weight, where, dataset);
}

void SequenceBuilder::add_text(const TextRecord& record, float weight, const std::string& where,
                               Dataset& dataset) const {
  Ids body = encoder_.encode(record.text, where);
  const bool own_bos = encoder_.take_own_bos(body);
  const bool own_end = encoder_.eos() && encoder_.has_own_end(body);
  if (own_bos || own_end) ++dataset.report.own_special;
  if (encoder_.eos() && !own_end) body.push_back(encoder_.checked(*encoder_.eos(), "EOS", where));
  const bool with_bos = encoder_.puts_bos_first();
  const auto room = static_cast<std::size_t>(options_.max_length) - (with_bos ? 1 : 0);
  if (body.size() > room) ++dataset.report.windowed;
  std::size_t begin = 0;
  do {
    const std::size_t end = std::min(body.size(), begin + room);
    Ids window;
    window.reserve(end - begin + 1);
    if (with_bos) window.push_back(encoder_.checked(*encoder_.bos(), "BOS", where));
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
  Ids ids = encoder_.encode(text, where);
  const std::size_t border[] = {record.prompt.size()};
  TokenBorder first = find_borders(encoder_.tokenizer(), text, ids, border).front();
  const bool own_bos = encoder_.take_own_bos(ids);
  if (own_bos && first.token > 0) --first.token;
  const bool own_end = encoder_.eos() && encoder_.has_own_end(std::span(ids).subspan(first.token));
  if (own_bos || own_end) ++dataset.report.own_special;
  if (first.merged && !options_.train_on_prompt) ++dataset.report.merged_borders;
  const float prompt_weight = options_.train_on_prompt ? weight : 0.0F;
  Draft draft;
  if (encoder_.puts_bos_first()) {
    draft.append(encoder_.checked(*encoder_.bos(), "BOS", where), 0.0F);
    draft.starts_with_bos = true;
  }
  draft.keep_from = draft.ids.size() + first.token;
  for (std::size_t i = 0; i < ids.size(); ++i)
    draft.append(ids[i], i >= first.token ? weight : prompt_weight);
  if (encoder_.eos() && !own_end) draft.append(encoder_.checked(*encoder_.eos(), "EOS", where), weight);
  finish(std::move(draft), dataset);
}

Value SequenceBuilder::without_own_special(const Value& messages, std::int64_t& taken) const {
  List all;
  for (const Value& given : messages.list()->items) {
    const Value* content = given.dict()->find(std::string_view("content"));
    if (content == nullptr || content->text() == nullptr) {
      all.items.push_back(given);
      continue;
    }
    std::string_view text = content->text()->bytes;
    const std::size_t length = text.size();
    const std::string_view seen = text.substr(0, text.find_last_not_of(white_space) + 1);
    const auto end = std::ranges::find_if(ends_, [&](const std::string& end) { return seen.ends_with(end); });
    if (end != ends_.end() && (end == ends_.begin() || role_of(given) == "assistant"))
      text = seen.substr(0, seen.size() - end->size());
    if (encoder_.bos() && all.items.empty()) {
      if (const std::string bos = encoder_.tokenizer().piece(*encoder_.bos()); text.starts_with(bos))
        text.remove_prefix(bos.size());
    }
    if (text.size() == length) {
      all.items.push_back(given);
      continue;
    }
    ++taken;
    jinja::Dict changed = *given.dict();
    changed.set(jinja::Text("content"), jinja::Text(std::string(text)));
    all.items.emplace_back(std::move(changed));
  }
  return all;
}

TrainedChat SequenceBuilder::render(const ChatRecord& record, const std::string& where,
                                    DataReport& report) const {
  ChatInput chat = record.chat;
  std::int64_t taken = 0;
  chat.messages = without_own_special(chat.messages, taken);
  if (taken > 0) ++report.own_special;
  return render_chat(*options_.chat_format, std::move(chat), where, report);
}

void SequenceBuilder::TokenSpan::fill(std::vector<float>& weights, float weight) const {
  for (std::size_t t = begin; t < end; ++t) {
    // A token in two turns has the larger weight.
    const bool is_shared = t == begin && begins_merged;
    weights[t] = is_shared ? std::max(weights[t], weight) : weight;
  }
}

std::vector<std::pair<SequenceBuilder::TokenSpan, ChatSpan>> SequenceBuilder::token_spans(
    std::string_view text, std::span<const std::int32_t> ids, std::span<const ChatSpan> spans) const {
  std::vector<std::size_t> positions;
  for (const ChatSpan& span : spans) {
    positions.push_back(span.begin);
    positions.push_back(span.end);
  }
  const std::vector<TokenBorder> borders = find_borders(encoder_.tokenizer(), text, ids, positions);
  std::vector<std::pair<TokenSpan, ChatSpan>> found;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const TokenBorder& first = borders[2 * i];
    const TokenBorder& last = borders[2 * i + 1];
    found.push_back({{first.token, last.token + (last.merged ? 1 : 0), first.merged,
                      int{first.merged} + int{last.merged}},
                     spans[i]});
  }
  return found;
}

void SequenceBuilder::add_chat(const ChatRecord& record, float weight, const std::string& where,
                               Dataset& dataset) const {
  require_chat_format(options_, where);
  ++dataset.report.chats;
  if (!options_.train_on_prompt && std::ranges::none_of(record.chat.messages.list()->items, is_assistant)) {
    ++dataset.report.without_answer;
    return;
  }
  Draft draft;
  if (record.weights.empty()) return finish(std::move(draft), dataset);
  const TrainedChat chat = render(record, where, dataset.report);
  draft.ids = encoder_.encode(chat.text, where);
  draft.weights.assign(draft.ids.size(), options_.train_on_prompt ? weight : 0.0F);
  if (options_.train_on_prompt) {
    for (const auto& [tokens, span] : token_spans(chat.text, draft.ids, chat.texts)) {
      if (record.weights[span.message] == 0.0F) tokens.fill(draft.weights, 0.0F);
    }
  }
  draft.keep_from = draft.ids.size();
  for (const auto& [tokens, span] : token_spans(chat.text, draft.ids, chat.spans)) {
    const bool is_trained = span.message >= record.context || options_.train_on_prompt;
    tokens.fill(draft.weights, is_trained ? weight * record.weights[span.message] : 0.0F);
    if (span.message >= record.context) draft.keep_from = tokens.begin;
    if (is_trained && record.weights[span.message] > 0.0F) dataset.report.merged_borders += tokens.merged;
  }
  draft.starts_with_bos = encoder_.bos() && !draft.ids.empty() && draft.ids.front() == *encoder_.bos();
  finish(std::move(draft), dataset);
}

void SequenceBuilder::add_instruction(const InstructionRecord& record, float weight, const std::string& where,
                                      Dataset& dataset) const {
  if (record.answer.empty()) {
    ++dataset.report.without_answer;
    return;
  }
  if (!options_.chat_format) {
    if (!record.system.empty())
      throw UsageError(
          fmt::format("{}: 'system' needs a chat template: {}", where, options_.no_chat_template));
    return add_completion({record.prompt, record.completion}, weight, where, dataset);
  }
  ChatRecord chat;
  List messages;
  const std::pair<std::string_view, const std::string&> turns[] = {
      {"system", record.system}, {"user", record.user}, {"assistant", record.answer}};
  for (const auto& [role, text] : turns) {
    if (role == "system" && text.empty()) continue;
    jinja::Dict message;
    message.set(jinja::Text("role"), jinja::Text(std::string(role)));
    message.set(jinja::Text("content"), jinja::Text(text));
    messages.items.emplace_back(std::move(message));
    chat.weights.push_back(1.0F);
  }
  chat.chat.messages = std::move(messages);
  add_chat(chat, weight, where, dataset);
}

void SequenceBuilder::add_tokens(const TokenRecord& record, float weight, const std::string& where,
                                 Dataset& dataset) const {
  if (record.ids.size() > static_cast<std::size_t>(options_.max_length)) {
    throw Error(fmt::format("{}: {} input_ids are more than --max-length {}: cut them, or raise it", where,
                            record.ids.size(), options_.max_length));
  }
  Example example;
  for (const std::int64_t id : record.ids) example.ids.push_back(encoder_.checked(id, "input id", where));
  for (const std::int64_t label : record.labels) {
    const bool trained = label != no_label;
    const std::int32_t target = trained ? encoder_.checked(label, "label", where) : no_label;
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
