#include "backend/cuda/kernels/elementwise.h"

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/dequantize.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/ops.h"
#include "core/random.h"

namespace cola::ops::cuda {
namespace {

launch::Gate kernel_of(Gate function) {
  return function == Gate::silu ? launch::Gate::silu : launch::Gate::gelu_tanh;
}

}  // namespace

void fill_zero(Context& context, MatrixView x) {
  const std::size_t item = size_of(x.dtype);
  const launch::Queue queue = backend_of(context).queue();
  if (x.empty() || queue.only_describes(cudaMemset2DAsync, x)) return;
  require(cudaMemset2DAsync(x.data, static_cast<std::size_t>(x.stride) * item, 0,
                            static_cast<std::size_t>(x.cols) * item, static_cast<std::size_t>(x.rows),
                            queue.stream),
          "fill_zero");
}

void add(Context& context, ConstMatrixView a, ConstMatrixView b, MatrixView y, float scale) {
  with_element_type(y.dtype, "add", [&]<class T>(T) {
    require(launch::add<T>(backend_of(context).queue(), y.rows, y.cols, rows_of<T>(a), rows_of<T>(b), scale,
                           rows_of<T>(y)),
            "add");
  });
}

void scale(Context& context, ConstMatrixView x, float factor, MatrixView y) {
  with_element_type(y.dtype, "scale", [&]<class T>(T) {
    require(
        launch::scale<T>(backend_of(context).queue(), y.rows, y.cols, rows_of<T>(x), factor, rows_of<T>(y)),
        "scale");
  });
}

void relu_forward(Context& context, MatrixView x, std::span<std::uint8_t> positive) {
  with_element_type(x.dtype, "relu_forward", [&]<class T>(T) {
    require(launch::relu_forward<T>(backend_of(context).queue(), x.rows, x.cols, rows_of<T>(x),
                                    positive.empty() ? nullptr : positive.data()),
            "relu_forward");
  });
}

void relu_backward(Context& context, ConstMatrixView dy, std::span<const std::uint8_t> positive,
                   MatrixView dx) {
  with_element_type(dx.dtype, "relu_backward", [&]<class T>(T) {
    require(launch::relu_backward<T>(backend_of(context).queue(), dx.rows, dx.cols, rows_of<T>(dy),
                                     positive.data(), rows_of<T>(dx)),
            "relu_backward");
  });
}

void gate_forward(Context& context, Gate function, ConstMatrixView gate, ConstMatrixView up, MatrixView h) {
  with_element_type(h.dtype, "gate_forward", [&]<class T>(T) {
    require(launch::gate_forward<T>(backend_of(context).queue(), kernel_of(function), h.rows, h.cols,
                                    rows_of<T>(gate), rows_of<T>(up), rows_of<T>(h)),
            "gate_forward");
  });
}

void gate_backward(Context& context, Gate function, ConstMatrixView dh, ConstMatrixView gate,
                   ConstMatrixView up, MatrixView dgate, MatrixView dup) {
  with_element_type(dh.dtype, "gate_backward", [&]<class T>(T) {
    require(launch::gate_backward<T>(backend_of(context).queue(), kernel_of(function), dh.rows, dh.cols,
                                     rows_of<T>(dh), rows_of<T>(gate), rows_of<T>(up), rows_of<T>(dgate),
                                     rows_of<T>(dup)),
            "gate_backward");
  });
}

void dropout(Context& context, ConstMatrixView x, const DropoutKey& key,
             std::span<const std::uint64_t> token_keys, MatrixView y) {
  const auto low = [](std::uint64_t word) { return static_cast<std::uint32_t>(word); };
  const auto high = [](std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); };
  const auto words = philox4x32({low(key.stream), high(key.stream), 0, 0}, {low(key.seed), high(key.seed)});
  CudaBackend& backend = backend_of(context);
  const std::uint64_t* keys = backend.host_arrays().on_device(token_keys);
  with_element_type(y.dtype, "dropout", [&]<class T>(T) {
    require(launch::dropout<T>(backend.queue(), y.rows, y.cols, rows_of<T>(x),
                               {{words[0], words[1]}, key.probability}, keys, rows_of<T>(y)),
            "dropout");
  });
}

void convert(Context& context, ConstMatrixView source, MatrixView destination) {
  if (source.empty()) return;
  if (is_quantized(source.dtype)) return cuda::dequantize(context, source, nullptr, destination);
  const launch::Queue queue = backend_of(context).queue();
  if (source.dtype == destination.dtype) {
    if (queue.only_describes(cudaMemcpy2DAsync, source, destination)) return;
    const std::size_t item = size_of(source.dtype);
    require(cudaMemcpy2DAsync(destination.data, static_cast<std::size_t>(destination.stride) * item,
                              source.data, static_cast<std::size_t>(source.stride) * item,
                              static_cast<std::size_t>(source.cols) * item,
                              static_cast<std::size_t>(source.rows), cudaMemcpyDeviceToDevice, queue.stream),
            "convert");
    return;
  }
  with_conversion(source.dtype, destination.dtype, "convert", [&]<class From, class To>(From, To) {
    require(launch::convert<From, To>(queue, source.rows, source.cols, rows_of<From>(source),
                                      rows_of<To>(destination)),
            "convert");
  });
}

}  // namespace cola::ops::cuda
