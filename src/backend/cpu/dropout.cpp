#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/ops.h"
#include "core/parallel.h"
#include "core/random.h"

namespace cola::ops::cpu {

void dropout(Context& /*context*/, ConstMatrixView x, const DropoutKey& key,
             std::span<const std::uint64_t> token_keys, MatrixView y) {
  const auto low = [](std::uint64_t word) { return static_cast<std::uint32_t>(word); };
  const auto high = [](std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); };
  const auto words = philox4x32({low(key.stream), high(key.stream), 0, 0}, {low(key.seed), high(key.seed)});
  const kernels::DropoutMask mask = {{words[0], words[1]}, key.probability};
  with_element_type(y.dtype, "dropout", [&]<class T>(T) {
    parallel_for(y.rows, row_grain(y.cols), [&](std::int64_t begin, std::int64_t end) {
      kernels::elementwise_kernels<T>().dropout(end - begin, y.cols, rows_of<T>(x.row_range(begin, end)),
                                                mask, token_keys.data() + begin,
                                                rows_of<T>(y.row_range(begin, end)));
    });
  });
}

}  // namespace cola::ops::cpu
