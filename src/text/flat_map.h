#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace cola {

/// Values by whole numbers below 2^64 - 1, in one array (open addressing, at most half full): a look-up costs
/// one cache miss, where a std::unordered_map costs two or three. Nothing is ever taken out.
template <class Value>
class FlatMap {
 public:
  void reserve(std::size_t count) {
    if (2 * count > slots_.size()) rebuild(std::bit_ceil(2 * count));
  }

  /// The value of `key`; a new one where there is none.
  Value& operator[](std::uint64_t key) {
    if (2 * (count_ + 1) > slots_.size()) rebuild(slots_.empty() ? smallest : 2 * slots_.size());
    Slot& slot = slots_[place(key)];
    if (slot.key == free) {
      slot.key = key;
      ++count_;
    }
    return slot.value;
  }

  /// Null where there is none.
  [[nodiscard]] const Value* find(std::uint64_t key) const {
    if (slots_.empty()) return nullptr;
    const Slot& slot = slots_[place(key)];
    return slot.key == free ? nullptr : &slot.value;
  }

  /// Has the memory of `key`'s value fetched, so that a look-up soon finds it near.
  void prefetch(std::uint64_t key) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[first_place(key)]);
  }

  [[nodiscard]] bool empty() const { return count_ == 0; }

 private:
  static constexpr std::uint64_t free = ~std::uint64_t{0};
  static constexpr std::size_t smallest = 16;
  struct Slot {
    std::uint64_t key = free;
    Value value{};
  };

  [[nodiscard]] std::size_t first_place(std::uint64_t key) const {
    constexpr std::uint64_t golden_ratio = 0x9E3779B97F4A7C15;  // of 2^64: spreads neighbours (Knuth 6.4)
    return (key * golden_ratio) >> shift_;
  }

  /// Where `key` is, or would be put.
  [[nodiscard]] std::size_t place(std::uint64_t key) const {
    std::size_t at = first_place(key);
    while (slots_[at].key != key && slots_[at].key != free) at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  void rebuild(std::size_t size) {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(size));
    shift_ = 64 - std::countr_zero(size);
    for (const Slot& slot : old) {
      if (slot.key != free) slots_[place(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two of them
  std::size_t count_ = 0;
  int shift_ = 0;
};

}  // namespace cola
