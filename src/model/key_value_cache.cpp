#include "model/key_value_cache.h"

#include <algorithm>
#include <cstddef>

#include "backend/checks.h"
#include "backend/elementwise.h"

namespace cola {
namespace {

void copy(ops::Context& context, const ops::CachedSequence& from, MatrixView keys, MatrixView values) {
  ops::convert(context, from.keys, keys);
  ops::convert(context, from.values, values);
}

ops::CachedSequence part(const ops::CachedSequence& of, std::int64_t begin, std::int64_t end) {
  return {of.keys.row_range(begin, end), of.values.row_range(begin, end)};
}

}  // namespace

KeyValueCache::KeyValueCache(Memory& memory, DType dtype, std::int64_t capacity, std::int64_t width,
                             std::int64_t window)
    : ring_(window > 0 && window < capacity) {
  keys_.resize(memory, dtype, rows(capacity, window), width);
  values_.resize(memory, dtype, rows(capacity, window), width);
}

std::int64_t KeyValueCache::rows(std::int64_t capacity, std::int64_t window) {
  return window > 0 ? std::min(capacity, window) : capacity;
}

std::int64_t KeyValueCache::past() const { return std::min(length_, keys_.rows() - 1); }

std::int64_t KeyValueCache::scratch_rows(std::int64_t count) const {
  const bool overwrites = length_ + count > keys_.rows();
  return overwrites && count > 1 && past() > 0 ? past() + count : 0;
}

/// Calls body(at, n, row) for positions begin + at .. begin + at + n, which have their place from `row` on.
template <class Body>
void KeyValueCache::each_piece(std::int64_t begin, std::int64_t end, const Body& body) const {
  for (std::int64_t position = begin; position < end;) {
    const std::int64_t row = position % keys_.rows();
    const std::int64_t n = std::min(end - position, keys_.rows() - row);
    body(position - begin, n, row);
    position += n;
  }
}

ops::CachedSequence KeyValueCache::append(ops::Context& context, const ops::CachedSequence& added,
                                          MatrixView scratch_keys, MatrixView scratch_values) {
  const std::int64_t count = added.keys.rows;
  const std::int64_t end = length_ + count;
  const std::int64_t rows = keys_.rows();
  ops::check(ring_ || end <= rows, "append", "a cache has no room for the new rows");
  const ops::CachedSequence held = {keys_.view(), values_.view()};
  ops::CachedSequence seen = part(held, 0, std::min(end, rows));
  if (scratch_rows(count) > 0) {
    each_piece(length_ - past(), length_, [&](std::int64_t at, std::int64_t n, std::int64_t row) {
      copy(context, part(held, row, row + n), scratch_keys.row_range(at, at + n),
           scratch_values.row_range(at, at + n));
    });
    copy(context, added, scratch_keys.row_range(past(), past() + count),
         scratch_values.row_range(past(), past() + count));
    seen = {scratch_keys, scratch_values};
  } else if (end > rows && count > 1) {
    seen = added;
  }
  const std::int64_t kept = std::min(count, rows);
  each_piece(end - kept, end, [&](std::int64_t at, std::int64_t n, std::int64_t row) {
    copy(context, part(added, count - kept + at, count - kept + at + n), keys_.view().row_range(row, row + n),
         values_.view().row_range(row, row + n));
  });
  length_ = end;
  return seen;
}

std::vector<ops::CachedSequence> append(ops::Context& context, std::span<const std::int32_t> offsets,
                                        ConstMatrixView k, ConstMatrixView v,
                                        std::span<KeyValueCache* const> caches) {
  std::vector<std::int64_t> begins = {0};  // of each sequence's scratch
  for (std::size_t s = 0; s < caches.size(); ++s)
    begins.push_back(begins.back() + caches[s]->scratch_rows(offsets[s + 1] - offsets[s]));
  const MatrixView keys = context.scratch("cache.seen_keys", k.dtype, begins.back(), k.cols);
  const MatrixView values = context.scratch("cache.seen_values", v.dtype, begins.back(), v.cols);
  std::vector<ops::CachedSequence> sequences;
  for (std::size_t s = 0; s < caches.size(); ++s) {
    sequences.push_back(caches[s]->append(context, part({k, v}, offsets[s], offsets[s + 1]),
                                          keys.row_range(begins[s], begins[s + 1]),
                                          values.row_range(begins[s], begins[s + 1])));
  }
  return sequences;
}

}  // namespace cola
