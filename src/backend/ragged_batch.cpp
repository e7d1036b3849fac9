#include "backend/ragged_batch.h"

namespace cola {

RaggedBatch padded_to(RaggedBatch batch, std::int64_t rows) {
  if (rows <= batch.tokens()) return batch;
  const auto size = static_cast<std::size_t>(rows);
  batch.ids.resize(size, 0);
  batch.positions.resize(size, 0);
  batch.token_keys.resize(size, 0);
  batch.offsets.push_back(static_cast<std::int32_t>(rows));
  if (!batch.prefixes.empty()) batch.prefixes.push_back(-1);
  return batch;
}

}  // namespace cola
