#include "data/preference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "core/error.h"
#include "data/chat_text.h"
#include "data/dev_split.h"
#include "data/preference_record.h"
#include "data/record_source.h"
#include "data/token_cache.h"
#include "data/token_encoder.h"

namespace cola {
namespace {

using Ids = TokenEncoder::Ids;

std::size_t common_prefix(const Ids& a, const Ids& b) {
  const std::size_t most = std::min(a.size(), b.size());
  const auto end = a.begin() + static_cast<std::ptrdiff_t>(most);
  return static_cast<std::size_t>(std::mismatch(a.begin(), end, b.begin()).first - a.begin());
}

/// A pair's tokens, each answer with the prompt before it.
struct PairTokens {
  std::size_t prompt = 0;  ///< tokens that both begin with
  std::array<Ids, 2> answers;
  bool begins_with_bos = false;
};

/// Labels on everything behind the prompt. A first token is never predicted.
Example example_of(Ids ids, std::size_t prompt) {
  Example example{.ids = std::move(ids), .labels = {}};
  example.labels = example.ids;
  std::fill_n(example.labels.begin(), std::max<std::size_t>(prompt, 1), no_label);
  return example;
}

class PairBuilder {
 public:
  PairBuilder(const Tokenizer* tokenizer, std::int64_t vocabulary_size, const DataOptions& options)
      : encoder_(tokenizer, vocabulary_size, options.append_eos), options_(options) {
    if (options.max_length < 2)
      throw UsageError(fmt::format("--max-length {} is too short: at least 2 tokens", options.max_length));
  }

  void add(const PreferenceRecord& record, const std::string& where, Dataset& set) const {
    ++set.report.records;
    ++set.report.forms["preference pairs"];
    finish(tokens_of(record, where, set.report), where, set);
  }

 private:
  [[nodiscard]] PairTokens tokens_of(const PreferenceRecord& record, const std::string& where,
                                     DataReport& report) const {
    if (const auto* tokens = std::get_if<PreferredTokens>(&record)) return tokens_of_ids(*tokens, where);
    encoder_.require_tokenizer(where);
    if (const auto* texts = std::get_if<PreferredTexts>(&record))
      return tokens_of_texts(*texts, where, report);
    return tokens_of_chats(std::get<PreferredChats>(record), where, report);
  }

  [[nodiscard]] PairTokens tokens_of_ids(const PreferredTokens& record, const std::string& where) const {
    PairTokens pair{.prompt = record.prompt.size(), .answers = {}, .begins_with_bos = false};
    for (const std::int64_t id : record.prompt)
      pair.answers[0].push_back(encoder_.checked(id, "prompt id", where));
    pair.answers[1] = pair.answers[0];
    for (const std::int64_t id : record.chosen)
      pair.answers[0].push_back(encoder_.checked(id, "chosen id", where));
    for (const std::int64_t id : record.rejected)
      pair.answers[1].push_back(encoder_.checked(id, "rejected id", where));
    pair.begins_with_bos =
        encoder_.bos() && !record.prompt.empty() && record.prompt.front() == *encoder_.bos();
    return pair;
  }

  /// The prompt's length by tokens: what it has in common with both.
  void find_prompt(const Ids& prompt, PairTokens& pair, DataReport& report) const {
    pair.prompt = std::min(common_prefix(prompt, pair.answers[0]), common_prefix(prompt, pair.answers[1]));
    if (pair.prompt < prompt.size()) ++report.shortened_prompts;
  }

  [[nodiscard]] PairTokens tokens_of_texts(const PreferredTexts& record, const std::string& where,
                                           DataReport& report) const {
    PairTokens pair;
    bool own_special = false;
    const auto encode = [&](const std::string& text) {
      Ids ids = encoder_.encode(text, where);
      own_special = encoder_.take_own_bos(ids) || own_special;
      if (encoder_.puts_bos_first()) ids.insert(ids.begin(), encoder_.checked(*encoder_.bos(), "BOS", where));
      return ids;
    };
    const Ids prompt = encode(record.prompt);
    pair.answers = {encode(record.prompt + record.chosen), encode(record.prompt + record.rejected)};
    find_prompt(prompt, pair, report);
    for (Ids& answer : pair.answers) {
      if (!encoder_.eos()) continue;
      const bool own_end = encoder_.has_own_end(std::span(answer).subspan(pair.prompt));
      own_special = own_special || own_end;
      if (!own_end) answer.push_back(encoder_.checked(*encoder_.eos(), "EOS", where));
    }
    if (own_special) ++report.own_special;
    pair.begins_with_bos = encoder_.puts_bos_first();
    return pair;
  }

  [[nodiscard]] PairTokens tokens_of_chats(const PreferredChats& record, const std::string& where,
                                           DataReport& report) const {
    require_chat_format(options_, where);
    ++report.chats;
    PairTokens pair;
    const std::vector<jinja::Value>* turns[] = {&record.chosen, &record.rejected};
    for (std::size_t i = 0; i < 2; ++i) {
      jinja::List messages = *record.chat.messages.list();
      messages.items.insert(messages.items.end(), turns[i]->begin(), turns[i]->end());
      ChatInput chat = record.chat;
      chat.messages = std::move(messages);
      pair.answers.at(i) =
          encoder_.encode(render_chat(*options_.chat_format, chat, where, report).text, where);
    }
    const Ids prompt = encoder_.encode(render_chat_prompt(*options_.chat_format, record.chat, where), where);
    find_prompt(prompt, pair, report);
    pair.begins_with_bos = encoder_.bos() && !prompt.empty() && prompt.front() == *encoder_.bos();
    return pair;
  }

  /// Cuts the prompt from the left, BOS kept, so that both answers fit; false where they do not.
  [[nodiscard]] bool fit(PairTokens& pair, DataReport& report) const {
    const std::size_t longest = std::max(pair.answers[0].size(), pair.answers[1].size());
    const auto limit = static_cast<std::size_t>(options_.max_length);
    if (longest <= limit) return true;
    const std::size_t kept = pair.begins_with_bos ? 1 : 0;
    const std::size_t excess = longest - limit;
    if (kept + excess >= pair.prompt) return false;  // something has to stay to answer to
    for (Ids& answer : pair.answers) {
      const auto begin = answer.begin() + static_cast<std::ptrdiff_t>(kept);
      answer.erase(begin, begin + static_cast<std::ptrdiff_t>(excess));
    }
    pair.prompt -= excess;
    ++report.truncated;
    return true;
  }

  void finish(PairTokens pair, const std::string& where, Dataset& set) const {
    DataReport& report = set.report;
    if (pair.answers[0] == pair.answers[1]) {
      ++report.equal_answers;
      return;
    }
    if (!fit(pair, report)) {
      ++report.skipped_long;
      return;
    }
    for (Ids& answer : pair.answers) {
      const Example example = example_of(std::move(answer), pair.prompt);
      if (example.loss_tokens() == 0)
        throw Error(
            fmt::format("{}: an answer without a token: drop the line, or leave --no-eos out", where));
      report.tokens += std::ssize(example.ids);
      report.loss_tokens += example.loss_tokens();
      set.examples.push_back(example);
    }
    ++report.sequences;
  }

  TokenEncoder encoder_;
  DataOptions options_;
};

/// Counts pairs and tokens anew.
void count_pairs(PreferenceSet& set) {
  DataReport& report = set.report;
  report.of_pairs = true;
  report.sequences = std::ssize(set.pairs);
  report.tokens = report.loss_tokens = 0;
  for (const PreferencePair& pair : set.pairs) {
    for (const Example& candidate : pair.question.candidates) {
      report.tokens += std::ssize(candidate.ids);
      report.loss_tokens += candidate.loss_tokens();
    }
  }
}

/// From its answers, one after the other.
PreferencePair pair_of(Example chosen, Example rejected) {
  PreferencePair pair;
  const auto first_label =
      std::ranges::find_if(chosen.labels, [](std::int32_t id) { return id != no_label; });
  pair.prompt_tokens = first_label - chosen.labels.begin();
  pair.question.candidates = {std::move(chosen), std::move(rejected)};
  return pair;
}

}  // namespace

PreferenceSet read_preferences(const std::filesystem::path& file, const Tokenizer* tokenizer,
                               std::int64_t vocabulary_size, const DataOptions& options,
                               const ReadingReport& each, const TokenCache* cache) {
  const RecordFields& fields = options.fields;
  if (!fields.completion.empty() || !fields.text.empty() || !fields.messages.empty()) {
    throw UsageError(
        "--completion-field, --text-field and --messages-field do not go with --objective: the answers of a "
        "pair "
        "are called chosen and rejected");
  }
  if (options.train_on_prompt) throw UsageError("--train-on-prompt does not go with --objective");
  const PairBuilder builder(tokenizer, vocabulary_size, options);
  const auto read = [&](const SequenceSink& keep) {
    DataReport report =
        read_in_chunks<Dataset>(
            file, each,
            [&](const PlacedRecord& record, Dataset& part) {
              builder.add(parse_preference(record.text, record.where, options.fields), record.where, part);
            },
            [&](Dataset& all, const Dataset& part) {
              keep(part.examples);
              all.report.add(part.report);
            })
            .report;
    report.of_pairs = true;
    if (report.records == 0) throw Error(fmt::format("{}: no records in the file", file.string()));
    if (report.sequences == 0)
      throw Error(
          fmt::format("{}: no pair to train on in the whole file ({})", file.string(), report.summary()));
    return report;
  };
  const Dataset answers =
      read_through(cache, file, {"pairs", tokenizer, vocabulary_size, options}, each, read);
  PreferenceSet set;
  set.report = answers.report;
  set.report.of_pairs = true;
  for (std::size_t i = 0; i + 1 < answers.examples.size(); i += 2)
    set.pairs.push_back(pair_of(answers.examples[i], answers.examples[i + 1]));
  set.files = {std::ssize(set.pairs)};
  return set;
}

void append(PreferenceSet& all, PreferenceSet more) {
  all.files.push_back(std::ssize(more.pairs));
  std::ranges::move(more.pairs, std::back_inserter(all.pairs));
  all.report.add(more.report);
}

PreferenceSet split_dev(PreferenceSet& train, double fraction, std::uint64_t seed) {
  PreferenceSet dev;
  dev.pairs = take_dev(train.pairs, train.files, fraction, seed);
  count_pairs(train);
  count_pairs(dev);
  return dev;
}

}  // namespace cola
