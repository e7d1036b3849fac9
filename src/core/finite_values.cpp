#include "core/finite_values.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "core/parallel.h"

namespace cola {
namespace {

/// The bits that are all set in NaN and infinity, and in no other value.
template <class Word>
Word exponent_of(DType dtype) {
  if constexpr (sizeof(Word) == 4) return 0x7f800000U;
  return dtype == DType::bf16 ? Word{0x7f80U} : Word{0x7c00U};
}

template <class Word>
Word word_at(const std::byte* values, std::int64_t index) {
  Word word;
  std::memcpy(&word, values + index * static_cast<std::int64_t>(sizeof word), sizeof word);
  return word;
}

/// Without a branch in the loop, which the compiler then vectorises.
template <class Word>
bool range_finite(const std::byte* values, std::int64_t begin, std::int64_t end, Word exponent) {
  Word found = 0;
  for (std::int64_t i = begin; i < end; ++i)
    found |= static_cast<Word>((word_at<Word>(values, i) & exponent) == exponent ? ~Word{0} : Word{0});
  return found == 0;
}

template <class Word>
bool words_finite(std::span<const std::byte> values, Word exponent) {
  constexpr std::int64_t grain = std::int64_t{1} << 16;
  std::atomic<bool> finite = true;
  parallel_for(static_cast<std::int64_t>(values.size() / sizeof(Word)), grain,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t at = begin; at < end && finite; at += grain) {
                   if (!range_finite<Word>(values.data(), at, std::min(at + grain, end), exponent))
                     finite = false;
                 }
               });
  return finite;
}

template <class Word>
std::size_t first_word_not_finite(std::span<const std::byte> values, Word exponent) {
  const auto size = static_cast<std::int64_t>(values.size() / sizeof(Word));
  std::int64_t index = 0;
  while (index < size && (word_at<Word>(values.data(), index) & exponent) != exponent) ++index;
  return static_cast<std::size_t>(index);
}

bool is_floating(DType dtype) { return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16; }

}  // namespace

bool all_finite(std::span<const std::byte> values, DType dtype) {
  if (!is_floating(dtype)) return true;
  return size_of(dtype) == 4 ? words_finite(values, exponent_of<std::uint32_t>(dtype))
                             : words_finite(values, exponent_of<std::uint16_t>(dtype));
}

bool all_finite(std::span<const float> values) { return all_finite(std::as_bytes(values), DType::f32); }

std::size_t first_not_finite(std::span<const std::byte> values, DType dtype) {
  if (!is_floating(dtype)) return values.size() / size_of(dtype);
  return size_of(dtype) == 4 ? first_word_not_finite(values, exponent_of<std::uint32_t>(dtype))
                             : first_word_not_finite(values, exponent_of<std::uint16_t>(dtype));
}

}  // namespace cola
