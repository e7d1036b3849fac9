#pragma once
#include <cstdint>
#include <span>

namespace cola::ops {

/// Pairs of a query and a key that it sees, where the queries are the last `queries` of `keys` positions:
/// each sees itself and those before it, with window > 0 the `window` last of them.
[[nodiscard]] std::int64_t attention_pairs(std::int64_t queries, std::int64_t keys, std::int64_t window);

/// The same of a ragged batch; offsets, prefixes and window as in backend/attention.h.
[[nodiscard]] std::int64_t attention_pairs(std::span<const std::int32_t> offsets,
                                           std::span<const std::int32_t> prefixes, std::int64_t window);

}  // namespace cola::ops
