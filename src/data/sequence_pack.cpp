#include "data/sequence_pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <utility>

#include "core/error.h"
#include "io/content_hash.h"

namespace cola {
namespace {

// A sequence is a word of these bits, its ids, and then either spans of tokens that are their own labels,
// (begin, end) or (begin, end, weight), or all labels and weights.
constexpr std::uint32_t other_labels = 1;
constexpr std::uint32_t weighted = 2;

constexpr std::size_t dropped_after = std::size_t{64} << 20;  // bytes read of files
constexpr std::size_t read_around = std::size_t{64} << 10;  // what the kernel maps about a page that is read

void put(std::vector<std::uint32_t>& words, std::span<const std::int32_t> values) {
  for (const std::int32_t value : values) words.push_back(static_cast<std::uint32_t>(value));
}

/// Stretches of tokens that are labels of one weight.
void put_spans(const Example& example, std::vector<std::uint32_t>& words) {
  const auto weight = [&](std::size_t t) { return example.weights.empty() ? 1.0F : example.weights[t]; };
  const std::size_t count = example.labels.size();
  for (std::size_t begin = 0; begin < count;) {
    std::size_t end = begin + 1;
    if (example.labels[begin] != no_label) {
      while (end < count && example.labels[end] != no_label && weight(end) == weight(begin)) ++end;
      words.push_back(static_cast<std::uint32_t>(begin));
      words.push_back(static_cast<std::uint32_t>(end));
      if (!example.weights.empty()) words.push_back(std::bit_cast<std::uint32_t>(weight(begin)));
    }
    begin = end;
  }
}

std::vector<std::int32_t> taken(std::span<const std::uint32_t> words) {
  std::vector<std::int32_t> values(words.size());
  std::ranges::transform(words, values.begin(),
                         [](std::uint32_t word) { return static_cast<std::int32_t>(word); });
  return values;
}

std::vector<float> taken_floats(std::span<const std::uint32_t> words) {
  std::vector<float> values(words.size());
  std::ranges::transform(words, values.begin(),
                         [](std::uint32_t word) { return std::bit_cast<float>(word); });
  return values;
}

/// Nothing for words that are not as add() writes them.
std::optional<Example> unpacked(std::span<const std::uint32_t> words, std::size_t tokens) {
  if (words.size() <= tokens) return std::nullopt;
  const std::uint32_t form = words.front();
  Example example{.ids = taken(words.subspan(1, tokens)), .labels = {}};
  words = words.subspan(1 + tokens);
  if ((form & other_labels) != 0) {
    if (words.size() != tokens * ((form & weighted) != 0 ? 2 : 1)) return std::nullopt;
    example.labels = taken(words.first(tokens));
    example.weights = taken_floats(words.subspan(tokens));
    return example;
  }
  example.labels.assign(tokens, no_label);
  if ((form & weighted) != 0) example.weights.assign(tokens, 0.0F);
  const std::size_t stride = (form & weighted) != 0 ? 3 : 2;
  if (words.size() % stride != 0) return std::nullopt;
  for (; !words.empty(); words = words.subspan(stride)) {
    const std::size_t begin = words[0];
    const std::size_t end = words[1];
    if (begin >= end || end > tokens) return std::nullopt;
    std::copy_n(example.ids.begin() + static_cast<std::ptrdiff_t>(begin), end - begin,
                example.labels.begin() + static_cast<std::ptrdiff_t>(begin));
    if (stride == 3)
      std::fill_n(example.weights.begin() + static_cast<std::ptrdiff_t>(begin), end - begin,
                  std::bit_cast<float>(words[2]));
  }
  return example;
}

}  // namespace

std::int64_t Example::loss_tokens() const {
  if (labels.empty()) return 0;
  return std::count_if(labels.begin() + 1, labels.end(),
                       [](std::int32_t label) { return label != no_label; });
}

SequencePack::SequencePack(const std::filesystem::path& folder, MemoryMap words, MemoryMap index,
                           std::int64_t vocabulary_size)
    : files_(std::make_shared<Files>(folder, std::move(words), std::move(index), vocabulary_size, 0)) {
  const std::size_t bytes = files_->words.bytes().size();
  const std::span<const PackedSequence> sequences = this->index();
  const std::uint64_t end = sequences.empty() ? 0 : sequences.back().end;
  if (files_->index.bytes().size() % sizeof(PackedSequence) != 0 || bytes % sizeof(std::uint32_t) != 0 ||
      bytes / sizeof(std::uint32_t) != end)
    throw Error(fmt::format("{}: its files are not whole", folder.string()));
}

std::span<const std::uint32_t> SequencePack::words() const {
  if (!files_) return words_;
  const auto bytes = files_->words.bytes();
  return {reinterpret_cast<const std::uint32_t*>(bytes.data()), bytes.size() / sizeof(std::uint32_t)};
}

std::span<const PackedSequence> SequencePack::index() const {
  if (!files_) return index_;
  const auto bytes = files_->index.bytes();
  return {reinterpret_cast<const PackedSequence*>(bytes.data()), bytes.size() / sizeof(PackedSequence)};
}

void SequencePack::add(const Example& example) {
  if (example.ids.size() > std::numeric_limits<std::uint32_t>::max())
    throw Error(fmt::format("a sequence of {} tokens is too long", example.ids.size()));
  const std::size_t begin = words_.size();
  bool own = true;
  for (std::size_t t = 0; t < example.ids.size(); ++t)
    own = own && (example.labels[t] == no_label || example.labels[t] == example.ids[t]);
  words_.push_back((own ? 0 : other_labels) | (example.weights.empty() ? 0 : weighted));
  put(words_, example.ids);
  if (own) {
    put_spans(example, words_);
  } else {
    put(words_, example.labels);
    for (const float weight : example.weights) words_.push_back(std::bit_cast<std::uint32_t>(weight));
  }
  index_.push_back({.end = words_.size(),
                    .hash = hash_of(std::as_bytes(std::span(words_).subspan(begin))),
                    .tokens = static_cast<std::uint32_t>(example.ids.size()),
                    .loss_tokens = static_cast<std::uint32_t>(example.loss_tokens())});
}

void SequencePack::append(const SequencePack& other) {
  const std::uint64_t before = words_.size();
  words_.insert(words_.end(), other.words().begin(), other.words().end());
  for (PackedSequence sequence : other.index()) {
    sequence.end += before;
    index_.push_back(sequence);
  }
}

Example SequencePack::read_checked(std::span<const std::uint32_t> words,
                                   const PackedSequence& sequence) const {
  std::optional<Example> example;
  if (hash_of(std::as_bytes(words)) == sequence.hash) example = unpacked(words, sequence.tokens);
  const auto is_id = [&](std::int32_t id) { return id >= 0 && id < files_->vocabulary_size; };
  if (!example || !std::ranges::all_of(example->ids, is_id))
    throw Error(fmt::format("{}: changed since it was written: remove this folder of the token cache",
                            files_->folder.string()));
  return *std::move(example);
}

Example SequencePack::at(std::size_t i) const {
  const PackedSequence& sequence = index()[i];
  const std::uint64_t begin = i == 0 ? 0 : index()[i - 1].end;
  if (!files_) return *unpacked(words().subspan(begin, sequence.end - begin), sequence.tokens);
  const bool is_inside = begin <= sequence.end && sequence.end <= words().size();
  const auto own =
      is_inside ? words().subspan(begin, sequence.end - begin) : std::span<const std::uint32_t>();
  Example example = read_checked(own, sequence);
  files_->bytes_read += std::max(own.size_bytes(), read_around);
  if (files_->bytes_read > dropped_after) {
    files_->bytes_read = 0;
    files_->words.drop();
  }
  return example;
}

}  // namespace cola
