#pragma once
#include <span>

#include "backend/ragged_batch.h"
#include "data/dataset.h"

namespace cola::test {

/// Examples end to end, written apart from data/'s own packing (which tests of lower layers cannot link).
inline RaggedBatch packed(std::span<const Example> examples, std::uint64_t first_sequence = 0) {
  RaggedBatch batch;
  for (const Example& example : examples) {
    for (std::size_t t = 0; t < example.ids.size(); ++t) {
      if (t > 0 && example.labels[t] != no_label) {
        batch.loss_rows.push_back(static_cast<std::int32_t>(batch.ids.size()) - 1);
        batch.targets.push_back(example.labels[t]);
      }
      batch.ids.push_back(example.ids[t]);
      batch.positions.push_back(static_cast<std::int32_t>(t));
      batch.token_keys.push_back((first_sequence << 32) + t);
    }
    batch.offsets.push_back(static_cast<std::int32_t>(batch.ids.size()));
    ++first_sequence;
  }
  return batch;
}

}  // namespace cola::test
