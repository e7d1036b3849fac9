#include "data/sequences.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "io/content_hash.h"

namespace cola {

Sequences::Sequences(const std::vector<Example>& examples) {
  for (const Example& example : examples) push_back(example);
}

Sequences::Sequences(SequencePack pack)
    : packs_{std::make_shared<SequencePack>(std::move(pack))}, ends_{packs_.front()->size()} {}

SequencePack& Sequences::open_pack() {
  if (packs_.empty() || !packs_.back()->is_in_memory() || packs_.back().use_count() > 1) {
    packs_.push_back(std::make_shared<SequencePack>());
    ends_.push_back(packed_size());
  }
  return *packs_.back();
}

void Sequences::push_back(const Example& example) {
  open_pack().add(example);
  if (is_selected_) selected_.push_back(static_cast<std::int64_t>(packed_size()));
  ++ends_.back();
}

void Sequences::append(const Sequences& more) {
  const auto before = static_cast<std::int64_t>(packed_size());
  if (more.is_selected_ && !is_selected_) {
    is_selected_ = true;
    for (std::int64_t i = 0; i < before; ++i) selected_.push_back(i);
  }
  for (std::size_t i = 0; is_selected_ && i < more.size(); ++i)
    selected_.push_back(before + (more.is_selected_ ? more.selected_[i] : static_cast<std::int64_t>(i)));
  for (const auto& pack : more.packs_) {
    if (pack->is_in_memory()) {
      open_pack().append(*pack);
      ends_.back() += pack->size();
    } else {
      packs_.push_back(pack);
      ends_.push_back(packed_size() + pack->size());
    }
  }
}

std::pair<const SequencePack*, std::size_t> Sequences::place_of(std::size_t i) const {
  const std::size_t packed = is_selected_ ? static_cast<std::size_t>(selected_[i]) : i;
  const auto number = static_cast<std::size_t>(std::ranges::upper_bound(ends_, packed) - ends_.begin());
  return {packs_[number].get(), packed - (number == 0 ? 0 : ends_[number - 1])};
}

Example Sequences::operator[](std::size_t i) const {
  const auto [pack, at] = place_of(i);
  return pack->at(at);
}

std::vector<Example> Sequences::all() const {
  std::vector<Example> examples;
  for (std::size_t i = 0; i < size(); ++i) examples.push_back((*this)[i]);
  return examples;
}

std::int64_t Sequences::total_tokens() const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < size(); ++i) total += tokens(i);
  return total;
}

std::int64_t Sequences::total_loss_tokens() const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < size(); ++i) total += loss_tokens(i);
  return total;
}

Sequences Sequences::select(std::vector<std::int64_t> numbers) const {
  Sequences selected = *this;
  if (is_selected_) {
    for (std::int64_t& number : numbers) number = selected_[static_cast<std::size_t>(number)];
  }
  selected.is_selected_ = true;
  selected.selected_ = std::move(numbers);
  return selected;
}

std::string Sequences::digest() const {
  ContentHash digest;
  for (std::size_t i = 0; i < size(); ++i) {
    const std::uint64_t hash = of(i).hash;
    digest.add(std::as_bytes(std::span(&hash, 1)));
  }
  return digest.hexadecimal();
}

}  // namespace cola
