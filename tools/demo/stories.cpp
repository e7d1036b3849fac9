#include "stories.h"

#include <fmt/format.h>

namespace cola::demo {
namespace {

using Words = std::vector<std::string>;

constexpr int questions_per_story = 3;

std::string sentence(const Fact& fact) {
  return fmt::format("{} has the {} {} in the {} .", names()[fact.name], colours()[fact.colour],
                     objects()[fact.object], places()[fact.place]);
}

std::string colour_question(const Fact& fact) {
  return fmt::format("what colour is the {} ?", objects()[fact.object]);
}

/// A question about a fact, and its answer.
std::string answered_question(RandomStream& random, const Fact& fact) {
  switch (random.next_below(3)) {
    case 0:
      return fmt::format("who has the {} ? {} .", objects()[fact.object], names()[fact.name]);
    case 1:
      return fmt::format("where is the {} ? {} .", objects()[fact.object], places()[fact.place]);
    default:
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

Fact draw_fact(RandomStream& random) {
  Fact fact;
  fact.name = random.next_below(names().size());
  fact.colour = random.next_below(colours().size());
  fact.object = random.next_below(objects().size());
  fact.place = random.next_below(places().size());
  return fact;
}

std::string story(RandomStream& random) {
  const Fact fact = draw_fact(random);
  std::string text = sentence(fact);
  for (int i = 0; i < questions_per_story; ++i) text.append(" ").append(answered_question(random, fact));
  return text;
}

std::string colour_prompt(const Fact& fact) {
  return fmt::format("{} {}", sentence(fact), colour_question(fact));
}

std::size_t renamed(std::size_t colour) {
  const std::size_t half = colours().size() / 2;
  return (colour + half) % colours().size();
}

}  // namespace cola::demo
