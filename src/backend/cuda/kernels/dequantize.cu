#include "backend/cuda/kernels/dequantize.h"

#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/quantized_types.cuh"

namespace cola::cuda {
namespace {

/// A thread's values: every block has whole groups of them.
constexpr int group = wide;

template <class Type, class T, bool is_aligned>
struct Dequantize {
  const std::uint8_t* data;
  std::int64_t row_bytes;
  const std::int32_t* indices;
  Rows<T> to;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const std::int64_t source = indices != nullptr ? indices[row] : row;
    const std::uint8_t* block = data + source * row_bytes + item * group / Type::values * Type::bytes;
    const int first = static_cast<int>(item * group % Type::values);
    const quantized::Factors factors = Type::factors(block, first);
    float values[group];
#pragma unroll
    for (int i = 0; i < group; ++i) {
      values[i] = factors.scale * static_cast<float>(Type::integer(block, first, i));
      if constexpr (Type::has_minimum) values[i] += factors.minimum;
    }
    T* place = to[row] + item * group;
    if constexpr (is_aligned) {
      store(values, place);
    } else {
#pragma unroll
      for (int i = 0; i < group; ++i) store_float(values[i], place + i);
    }
  }
};

/// Calls body(Type{}) with the type's struct.
template <class Body>
[[nodiscard]] cudaError_t with_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::q4_0:
      return body(quantized::Nibbles<false, false>());
    case DType::q4_1:
      return body(quantized::Nibbles<false, true>());
    case DType::q5_0:
      return body(quantized::Nibbles<true, false>());
    case DType::q5_1:
      return body(quantized::Nibbles<true, true>());
    case DType::q8_0:
      return body(quantized::Q8_0());
    case DType::q2_k:
      return body(quantized::Q2_K());
    case DType::q3_k:
      return body(quantized::Q3_K());
    case DType::q4_k:
      return body(quantized::Q45_K<false>());
    case DType::q5_k:
      return body(quantized::Q45_K<true>());
    case DType::q6_k:
      return body(quantized::Q6_K());
    case DType::iq4_nl:
      return body(quantized::Iq4_nl());
    case DType::iq4_xs:
      return body(quantized::Iq4_xs());
    case DType::mxfp4:
      return body(quantized::Mxfp4());
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

template <class T>
cudaError_t dequantize(Queue queue, std::int64_t rows, std::int64_t cols, const QuantizedRows& quantized,
                       const std::int32_t* indices, Rows<T> values) {
  return with_type(quantized.dtype, [&]<class Type>(Type) {
    const auto run = [&](auto is_aligned) {
      const Dequantize<Type, Element<T>, is_aligned> operation = {quantized.data, quantized.row_bytes,
                                                                  indices, on_device(values)};
      return launch_each(queue, rows, cols / group, operation);
    };
    return are_aligned(cols, values) ? run(std::true_type()) : run(std::false_type());
  });
}

template cudaError_t dequantize(Queue, std::int64_t, std::int64_t, const QuantizedRows&, const std::int32_t*,
                                Rows<float>);
template cudaError_t dequantize(Queue, std::int64_t, std::int64_t, const QuantizedRows&, const std::int32_t*,
                                Rows<BFloat16>);

}  // namespace cola::cuda
