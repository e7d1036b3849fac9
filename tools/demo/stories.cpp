#include "stories.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>

namespace cola::demo {
namespace {

using Words = std::vector<std::string>;

constexpr std::size_t facts_per_story = 3;

/// `count` different numbers below `bound`.
std::vector<std::size_t> draw_different(RandomStream& random, std::size_t bound, std::size_t count) {
  std::vector<std::size_t> numbers(bound);
  std::iota(numbers.begin(), numbers.end(), std::size_t{0});
  for (std::size_t i = 0; i < count; ++i) std::swap(numbers[i], numbers[i + random.next_below(bound - i)]);
  numbers.resize(count);
  return numbers;
}

std::string colour_question(const Fact& fact) {
  return fmt::format("what colour is the {} ?", objects()[fact.object]);
}

/// A question about a fact, and its answer.
std::string answered_question(RandomStream& random, const Fact& fact) {
  switch (random.next_below(4)) {
    case 0:
      return fmt::format("who has the {} ? {} .", objects()[fact.object], names()[fact.name]);
    case 1:
      return fmt::format("where is the {} ? {} .", objects()[fact.object], places()[fact.place]);
    default:  // twice as often: the others are there so that the model reads the question
      return fmt::format("{} {} .", colour_question(fact), colours()[fact.colour]);
  }
}

}  // namespace

const Words& names() {
  static const Words words{"ann", "ben", "dan", "eva", "ian", "jim", "kim", "leo",
                           "max", "mia", "ned", "pam", "ron", "sam", "tom", "una"};
  return words;
}

const Words& colours() {
  static const Words words{"amber", "beige", "black", "blue", "brown", "coral", "cream", "gold",
                           "green", "grey",  "ivory", "jade", "khaki", "lilac", "lime",  "mauve",
                           "navy",  "ochre", "olive", "pink", "plum",  "red",   "teal",  "white"};
  return words;
}

const Words& objects() {
  static const Words words{"bag", "ball", "bell", "book", "bowl", "box",  "car",  "chair",
                           "cup", "desk", "doll", "drum", "flag", "fork", "hat",  "jar",
                           "key", "kite", "lamp", "mug",  "pen",  "ring", "rope", "sled"};
  return words;
}

const Words& places() {
  static const Words words{"attic", "barn", "cave", "hall", "park", "shed", "shop", "yard"};
  return words;
}

Words all_words() {
  Words words{"has", "in", "the", "what", "colour", "is", "who", "where", ".", "?"};
  for (const Words* more : {&names(), &colours(), &objects(), &places()}) {
    words.insert(words.end(), more->begin(), more->end());
  }
  return words;
}

std::vector<Fact> draw_facts(RandomStream& random, std::size_t count) {
  const auto name = draw_different(random, names().size(), count);
  const auto colour = draw_different(random, colours().size(), count);
  const auto object = draw_different(random, objects().size(), count);
  const auto place = draw_different(random, places().size(), count);
  std::vector<Fact> facts;
  for (std::size_t i = 0; i < count; ++i) facts.push_back({name[i], colour[i], object[i], place[i]});
  return facts;
}

std::string sentence(const Fact& fact) {
  return fmt::format("{} has the {} {} in the {} .", names()[fact.name], colours()[fact.colour],
                     objects()[fact.object], places()[fact.place]);
}

std::string join(const Words& sentences) { return fmt::format("{}", fmt::join(sentences, " ")); }

std::string story(RandomStream& random) {
  const auto facts = draw_facts(random, facts_per_story);
  Words sentences;
  for (const Fact& fact : facts) sentences.push_back(sentence(fact));
  for (const std::size_t asked : draw_different(random, facts.size(), facts.size())) {
    sentences.push_back(answered_question(random, facts[asked]));
  }
  return join(sentences);
}

Item colour_item(RandomStream& random) {
  const auto facts = draw_facts(random, facts_per_story);
  Words sentences;
  for (const Fact& fact : facts) sentences.push_back(sentence(fact));
  const Fact& asked = facts[random.next_below(facts.size())];
  sentences.push_back(colour_question(asked));
  return {join(sentences), asked.colour, asked.object};
}

std::size_t renamed(std::size_t colour) {
  const std::size_t half = colours().size() / 2;
  return (colour + half) % colours().size();
}

}  // namespace cola::demo
