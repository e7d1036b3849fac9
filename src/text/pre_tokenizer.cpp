#include "text/pre_tokenizer.h"

#include <algorithm>

#include "text/byte_level.h"
#include "text/normalizer.h"

namespace cola {

namespace {

struct Stretch {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool matched = false;
};

/// Cuts the whole text into stretches that the pattern matches, which may be empty, and those between.
std::vector<Stretch> stretches_of(const Regex& pattern, std::string_view text, bool invert) {
  std::vector<Stretch> stretches;
  std::size_t start = 0;
  for (const Regex::Match& match : pattern.find_all(text)) {
    if (match.begin > start) stretches.push_back({start, match.begin, invert});
    stretches.push_back({match.begin, match.end, !invert});
    start = match.end;
  }
  if (start < text.size()) stretches.push_back({start, text.size(), invert});
  return stretches;
}

/// Whether a stretch continues the word of the one before it.
bool joins(SplitBehavior behavior, const Stretch& previous, const Stretch& stretch) {
  switch (behavior) {
    case SplitBehavior::merged_with_previous:
      return stretch.matched && !previous.matched;
    case SplitBehavior::merged_with_next:
      return previous.matched && !stretch.matched;
    case SplitBehavior::contiguous:
      return previous.matched == stretch.matched;
    case SplitBehavior::removed:
    case SplitBehavior::isolated:
      return false;
  }
  return false;
}

void split(const Regex& pattern, SplitBehavior behavior, bool invert, std::string_view text,
           std::vector<std::string>& words) {
  const auto before = static_cast<std::ptrdiff_t>(words.size());
  const Stretch* previous = nullptr;
  const std::vector<Stretch> stretches = stretches_of(pattern, text, invert);
  for (const Stretch& stretch : stretches) {
    if (behavior == SplitBehavior::removed && stretch.matched) continue;
    const std::string_view part = text.substr(stretch.begin, stretch.end - stretch.begin);
    if (previous != nullptr && joins(behavior, *previous, stretch)) {
      words.back().append(part);
    } else {
      words.emplace_back(part);
    }
    previous = &stretch;
  }
  words.erase(std::remove(words.begin() + before, words.end(), std::string()), words.end());
}

void apply(const PreTokenizer::Split& step, const std::string& text, bool /*first*/,
           std::vector<std::string>& words) {
  split(step.pattern, step.behavior, step.invert, text, words);
}

void apply(const PreTokenizer::ByteLevel& step, std::string text, bool /*first*/,
           std::vector<std::string>& words) {
  if (step.add_prefix_space && !text.starts_with(' ')) text.insert(0, 1, ' ');
  const std::size_t before = words.size();
  if (step.pattern) {
    split(*step.pattern, SplitBehavior::isolated, false, text, words);
  } else {
    words.push_back(std::move(text));
  }
  for (std::size_t i = before; i < words.size(); ++i) words[i] = bytes_to_characters(words[i]);
}

void apply(const PreTokenizer::Metaspace& step, std::string text, bool first,
           std::vector<std::string>& words) {
  const std::string& mark = step.replacement;
  text = replace_all(text, " ", mark);
  const bool prefixed =
      step.prepend == PrependScheme::always || (step.prepend == PrependScheme::first && first);
  if (prefixed && !text.starts_with(mark)) text.insert(0, mark);
  if (!step.split) {
    words.push_back(std::move(text));
    return;
  }
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t next =
        text.find(mark, start + (text.compare(start, mark.size(), mark) == 0 ? mark.size() : 0));
    words.push_back(text.substr(start, next - start));
    start = std::min(next, text.size());
  }
}

}  // namespace

std::vector<std::string> PreTokenizer::operator()(std::string text, bool first) const {
  std::vector<std::string> words;
  if (!text.empty()) words.push_back(std::move(text));
  for (const Step& step : steps_) {
    std::vector<std::string> cut;
    for (std::size_t i = 0; i < words.size(); ++i) {
      std::visit([&](const auto& known) { apply(known, std::move(words[i]), first && i == 0, cut); }, step);
    }
    words = std::move(cut);
  }
  return words;
}

}  // namespace cola
