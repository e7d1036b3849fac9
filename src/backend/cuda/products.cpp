#include "backend/cuda/products.h"

#include <utility>

#include "backend/cuda/check.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/elementwise.h"
#include "backend/elementwise.h"
#include "core/error.h"

namespace cola::ops::cuda {
namespace {

cudaDataType_t cuda_type(DType dtype) { return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

/// The largest power of two, up to what cuBLASLt can make use of, that divides an address.
std::uint32_t alignment_of(const void* address) {
  constexpr std::uintptr_t most = 256;
  const auto bits = reinterpret_cast<std::uintptr_t>(address) | most;
  return static_cast<std::uint32_t>(bits & (~bits + 1));
}

template <class Value>
void set(cublasLtMatmulDescOpaque_t& operation, cublasLtMatmulDescAttributes_t attribute,
         const Value& value) {
  require(
      cublasLtMatmulDescSetAttribute(&operation, attribute, static_cast<const void*>(&value), sizeof(value)),
      "describing a product");
}

/// Of a row-major matrix [rows, cols]: cuBLASLt's matrices are column-major, so its transpose [cols, rows].
void describe(cublasLtMatrixLayoutOpaque_t& layout, DType dtype, std::int64_t rows, std::int64_t cols,
              std::int64_t stride) {
  require(cublasLtMatrixLayoutInit(&layout, cuda_type(dtype), static_cast<std::uint64_t>(cols),
                                   static_cast<std::uint64_t>(rows), stride),
          "describing a matrix");
}

/// What limits the heuristic's choice.
class Preference {
 public:
  Preference() { require(cublasLtMatmulPreferenceCreate(&preference_), "a preference"); }
  ~Preference() { (void)cublasLtMatmulPreferenceDestroy(preference_); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;

  template <class Value>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
    require(cublasLtMatmulPreferenceSetAttribute(preference_, attribute, &value, sizeof(value)),
            "a preference");
  }
  [[nodiscard]] cublasLtMatmulPreference_t get() const { return preference_; }

 private:
  cublasLtMatmulPreference_t preference_ = nullptr;
};

cublasLtEpilogue_t epilogue_of(Product::Relu relu, bool bias, bool mask) {
  if (relu == Product::Relu::backward) return CUBLASLT_EPILOGUE_DRELU;
  if (relu == Product::Relu::none) return bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
  if (bias) return mask ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_RELU_BIAS;
  return mask ? CUBLASLT_EPILOGUE_RELU_AUX : CUBLASLT_EPILOGUE_RELU;
}

/// A product's ReLU by itself, on its result.
void relu_alone(launch::Queue queue, const Product& product) {
  const auto& c = product.c;
  with_element_type(c.dtype, "a product's relu", [&]<class T>(T) {
    require(product.relu == Product::Relu::forward
                ? launch::relu_forward<T>(queue, c.rows, c.cols, rows_of<T>(c), product.positive)
                : launch::relu_backward<T>(queue, c.rows, c.cols, rows_of<T>(ConstMatrixView(c)),
                                           product.positive, rows_of<T>(c)),
            "a product's relu");
  });
}

}  // namespace

struct Products::Plan {
  bool possible = false;
  cublasLtMatmulDescOpaque_t operation = {};
  cublasLtMatrixLayoutOpaque_t a = {}, b = {}, c = {}, addend = {};  ///< in cuBLASLt's order: a is our b
  cublasLtMatmulAlgo_t algorithm = {};
};

Products::Products(Memory& memory) : workspace_(memory), plans_(std::make_unique<Plans>()) {
  require(cublasLtCreate(&handle_), "starting");
  workspace_.resize(workspace_bytes);
}

Products::~Products() { (void)cublasLtDestroy(handle_); }

// C = op(A) op(B) in row-major order is C^T = op(B)^T op(A)^T in column-major order, where a row-major matrix
// reads as its transpose already: the operands change places and keep their transposition.
Products::Plan* Products::plan_of(const Shape& shape) {
  if (plans_->size() >= most_plans) plans_->clear();
  const auto [place, made] = plans_->try_emplace(shape);
  Plan& plan = place->second;
  if (!made) return plan.possible ? &plan : nullptr;

  const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  require(cublasLtMatmulDescInit(&plan.operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
  set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, operation(shape.transpose_b));
  set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, operation(shape.transpose_a));
  set(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(shape.relu, shape.has_bias, shape.has_mask));
  if (shape.has_bias) set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, cuda_type(shape.bias));
  if (shape.has_mask) {
    const std::int64_t bits = ops::relu_mask_bytes(1, shape.n) * 8;
    set(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, bits);
  }
  const auto dims = [](bool transpose, std::int64_t rows, std::int64_t cols) {
    return transpose ? std::pair(cols, rows) : std::pair(rows, cols);
  };
  const auto [b_rows, b_cols] = dims(shape.transpose_b, shape.k, shape.n);
  const auto [a_rows, a_cols] = dims(shape.transpose_a, shape.m, shape.k);
  describe(plan.a, shape.input, b_rows, b_cols, shape.ldb);
  describe(plan.b, shape.input, a_rows, a_cols, shape.lda);
  describe(plan.c, shape.output, shape.m, shape.n, shape.ldc);
  describe(plan.addend, shape.output, shape.m, shape.n, shape.ld_addend);

  Preference preference;
  preference.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
  // Sums of partial products in a fixed order only: not in place, where blocks add as they come.
  preference.set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                 static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, shape.alignments[1]);
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, shape.alignments[0]);
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, shape.alignments[3]);
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, shape.alignments[2]);
  cublasLtMatmulHeuristicResult_t result = {};
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle_, &plan.operation, &plan.a, &plan.b, &plan.addend, &plan.c,
                                     preference.get(), 1, &result, &found);
  plan.possible = status == CUBLAS_STATUS_SUCCESS && found > 0 && result.state == CUBLAS_STATUS_SUCCESS;
  plan.algorithm = result.algo;
  return plan.possible ? &plan : nullptr;
}

Products::Shape Products::shape_of(const Product& product) {
  const auto& [a, transpose_a, b, transpose_b, bias, addend, c, relu, positive] = product;
  Shape shape = {};
  shape.m = c.rows;
  shape.n = c.cols;
  shape.k = transpose_a == Transpose::yes ? a.rows : a.cols;
  shape.lda = a.stride;
  shape.ldb = b.stride;
  shape.ldc = c.stride;
  shape.ld_addend = addend.empty() ? c.stride : addend.stride;
  shape.input = a.dtype;
  shape.output = c.dtype;
  shape.transpose_a = transpose_a == Transpose::yes;
  shape.transpose_b = transpose_b == Transpose::yes;
  shape.has_bias = !bias.empty();
  shape.has_mask = positive != nullptr;
  shape.relu = relu;
  shape.alignments = {alignment_of(a.data), alignment_of(b.data), alignment_of(c.data),
                      alignment_of(addend.empty() ? c.data : addend.data)};
  return shape;
}

void Products::run(launch::Queue queue, const Product& product, const Shape& shape, const void* bias) {
  const auto& [a, transpose_a, b, transpose_b, of_bias, addend, c, relu, positive] = product;
  Plan* plan = plan_of(shape);
  if (plan == nullptr && relu != Product::Relu::none) {
    Shape plain = shape;
    plain.relu = Product::Relu::none;
    plain.has_mask = false;
    Product without = product;
    without.relu = Product::Relu::none;
    run(queue, without, plain, bias);
    return relu_alone(queue, product);
  }
  if (plan == nullptr)
    throw Error("cuBLASLt has no algorithm for a product that is needed: use --device cpu");
  const float one = 1.0F;
  const float beta = addend.empty() ? 0.0F : 1.0F;
  const void* added = addend.empty() ? c.data : addend.data;
  if (queue.only_describes(shape, a.data, b.data, c.data, bias, added, beta, positive)) return;
  cublasLtMatmulDescOpaque_t operation = plan->operation;
  if (shape.has_bias) set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  if (shape.has_mask) {
    const void* mask = positive;
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, mask);
  }
  require(cublasLtMatmul(handle_, &operation, &one, b.data, &plan->a, a.data, &plan->b, &beta, added,
                         &plan->addend, c.data, &plan->c, &plan->algorithm, workspace_.data(),
                         workspace_bytes, queue.stream),
          "a product");
}

void Products::multiply(Context& context, launch::Queue queue, const Product& product) {
  Shape shape = shape_of(product);
  if (shape.m == 0 || shape.n == 0 || shape.k == 0) return;
  context.add_flops(2 * static_cast<std::uint64_t>(shape.m * shape.n) * static_cast<std::uint64_t>(shape.k));
  shape.bias = shape.has_bias ? shape.output : DType::f32;  // of another dtype there is no algorithm
  const void* bias = product.bias.values.data();
  if (shape.has_bias && shape.bias == DType::bf16) {
    bias = product.bias.rounded;
    if (bias == nullptr) {
      const MatrixView rounded = context.scratch("cuda product bias", DType::bf16, 1, shape.n);
      require(launch::convert<float, BFloat16>(queue, 1, shape.n, {product.bias.values.data(), shape.n},
                                               rows_of<BFloat16>(rounded)),
              "rounding a bias");
      bias = rounded.data;
    }
  }
  run(queue, product, shape, bias);
}

}  // namespace cola::ops::cuda
