#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "backend/backend.h"
#include "backend/elementwise.h"
#include "core/error.h"
#include "core/finite_values.h"
#include "core/parallel.h"
#include "core/quantize.h"
#include "core/quantized_blocks.h"
#include "core/random.h"

namespace cola {
namespace {

constexpr float initializer_range = 0.02F;

ConstMatrixView view_of(const ParameterSpec& spec, const void* data, DType dtype) {
  const std::int64_t cols = spec.shape.back();
  return {data, dtype, spec.is_matrix() ? spec.shape.front() : 1, cols, cols};
}

/// Throws Error if rounding the tensor's values to those of `rounded` made one infinite.
void require_in_range(const std::string& name, const SourceTensor& tensor, const Matrix& rounded) {
  const auto size = static_cast<std::size_t>(bytes_of(rounded.dtype(), rounded.size()));
  const std::span bytes(static_cast<const std::byte*>(rounded.view().data), size);
  if (is_quantized(rounded.dtype()) ? blocks_finite(rounded.dtype(), bytes)
                                    : all_finite(bytes, rounded.dtype()))
    return;
  throw Error(fmt::format("{}: tensor '{}' has values too large for {}: use --dtype f32", tensor.file, name,
                          name_of(rounded.dtype())));
}

/// Blocks are read byte by byte.
bool is_aligned(const SourceTensor& tensor) {
  return is_quantized(tensor.dtype) ||
         reinterpret_cast<std::uintptr_t>(tensor.data) % size_of(tensor.dtype) == 0;
}

std::int64_t rows_converted_at_once(std::int64_t cols) {
  constexpr std::int64_t values = std::int64_t{1} << 20;
  return std::max<std::int64_t>(values / cols, 1);
}

/// Rounds f32 rows to the dtype of `rows`, or quantises them.
void store_rows(ops::Context& context, std::span<const float> values, MatrixView rows) {
  if (is_quantized(rows.dtype)) return quantize(rows.dtype, values, static_cast<std::byte*>(rows.data));
  ops::convert(context, {values.data(), DType::f32, rows.rows, rows.cols, rows.cols}, rows);
}

}  // namespace

Weights::Weights(const DecoderSpec& config, std::unique_ptr<TensorSource> source, DType compute_dtype,
                 Memory& memory, Memory* block_matrices, const BaseFormat& format)
    : compute_dtype_(compute_dtype),
      memory_(&memory),
      block_matrices_(block_matrices != nullptr ? block_matrices : &memory),
      source_(std::move(source)),
      tensors_(match_tensors(config, *source_)),
      others_(tensors_of_other_parts(config, *source_)),
      stems_(stems_in_use(config, *source_)) {
  for (const auto& spec : parameter_specs(config)) {
    const SourceTensor& tensor = *tensors_.at(spec.name);
    adopt(add(spec), tensor, dtype_in_memory(config, spec, tensor.dtype, compute_dtype, format));
  }
}

Weights::Weights(const DecoderSpec& config, std::uint64_t seed, DType compute_dtype, Memory& memory,
                 Memory* block_matrices, const BaseFormat& format)
    : compute_dtype_(compute_dtype),
      memory_(&memory),
      block_matrices_(block_matrices != nullptr ? block_matrices : &memory) {
  std::uint64_t stream = 0;
  const bool unit_offset = config.final_norm && config.final_norm->unit_offset;
  for (const auto& spec : parameter_specs(config)) {
    const float constant = spec.bias || unit_offset ? 0.0F : 1.0F;  // of a bias, or a norm
    fill_random(add(spec), seed, stream++, constant,
                dtype_in_memory(config, spec, compute_dtype, compute_dtype, format));
  }
}

Parameter& Weights::add(const ParameterSpec& spec) {
  auto& parameter = *parameters_.emplace_back(std::make_unique<Parameter>());
  parameter.spec = spec;
  parameter.memory = spec.is_block_matrix() ? block_matrices_ : memory_;
  by_name_[spec.name] = &parameter;
  by_role_[{spec.role, spec.block, spec.bias}] = &parameter;
  return parameter;
}

void Weights::adopt(Parameter& parameter, const SourceTensor& tensor, DType wanted) {
  require_finite(parameter.spec.name, tensor);
  const ConstMatrixView shape = view_of(parameter.spec, nullptr, wanted);
  Memory& memory = *parameter.memory;
  if (tensor.dtype == wanted && &memory != &host_memory()) {  // straight from the file's pages
    Matrix owned;
    owned.resize(memory, wanted, shape.rows, shape.cols);
    memory.upload(tensor.data, static_cast<std::byte*>(owned.view().data), tensor.bytes);
    release_pages(tensor);
    parameter.value = std::move(owned);
    return;
  }
  if (tensor.dtype == wanted && is_aligned(tensor)) {
    parameter.value = view_of(parameter.spec, tensor.data, wanted);
    release_pages(tensor);  // what is not used after all, as most rows of a token table, is not kept
    return;
  }
  Matrix owned;
  owned.resize(wanted, shape.rows, shape.cols);
  if (wanted == DType::f32) {
    read_as_f32(tensor, owned.floats());
  } else {  // some rows at a time: no second copy of the whole tensor
    ops::Context context;
    const std::int64_t rows_at_once = is_quantized(wanted) ? rows_converted_at_once(shape.cols) : 1;
    std::vector<float> rows(static_cast<std::size_t>(rows_at_once * shape.cols));
    for (std::int64_t begin = 0; begin < shape.rows; begin += rows_at_once) {
      const std::int64_t end = std::min(begin + rows_at_once, shape.rows);
      const std::span part(rows.data(), static_cast<std::size_t>((end - begin) * shape.cols));
      read_as_f32(tensor, begin * shape.cols, part);
      store_rows(context, part, owned.view().row_range(begin, end));
    }
  }
  if (tensor.dtype == DType::f32 && wanted != DType::f32)
    require_in_range(parameter.spec.name, tensor, owned);
  release_pages(tensor);
  parameter.value = Matrix::moved_to(memory, std::move(owned));
}

void Weights::fill_random(Parameter& parameter, std::uint64_t seed, std::uint64_t stream, float constant,
                          DType wanted) {
  const ConstMatrixView shape = view_of(parameter.spec, nullptr, DType::f32);
  Matrix owned;
  owned.resize(wanted, shape.rows, shape.cols);
  if (parameter.spec.is_matrix()) {
    parallel_for(shape.rows, 16, [&](std::int64_t begin, std::int64_t end) {
      ops::Context context;
      RandomStream random(seed, RandomPurpose::init_weight, stream);
      random.skip(2 * static_cast<std::uint64_t>(begin * shape.cols));  // a normal number is of two words
      std::vector<float> row(static_cast<std::size_t>(shape.cols));
      for (std::int64_t index = begin; index < end; ++index) {
        std::ranges::generate(row, [&] { return initializer_range * random.next_normal(); });
        store_rows(context, row, owned.view().row_range(index, index + 1));
      }
    });
  } else {
    std::ranges::fill(owned.floats(), constant);
  }
  parameter.value = Matrix::moved_to(*parameter.memory, std::move(owned));
}

void Weights::read_original(const Parameter& parameter, std::span<float> destination) const {
  if (const auto tensor = tensors_.find(parameter.spec.name); tensor != tensors_.end()) {
    read_as_f32(*tensor->second, destination);
    release_pages(*tensor->second);  // the copy is what is computed with from here on, as a rule
    return;
  }
  Memory& memory = *parameter.memory;
  const ConstMatrixView plain = parameter.value.plain();
  const Matrix copy = memory.is_host() ? Matrix() : Matrix::copy_of(plain, memory);
  const ConstMatrixView value = memory.is_host() ? plain : copy.view();
  const MatrixView target{destination.data(), DType::f32, value.rows, value.cols, value.cols};
  if (const auto* packed = parameter.value.packed()) {
    for (std::int64_t row = 0; row < value.rows; ++row) packed->read_row(row, target.row_range(row, row + 1));
    return;
  }
  ops::Context context;
  ops::convert(context, value, target);
}

void Weights::read_original(ops::Context& context, const Parameter& parameter, MatrixView destination) const {
  if (memory_->is_host()) {
    const auto size = static_cast<std::size_t>(destination.rows * destination.cols);
    return read_original(parameter, {destination.as<float>(), size});
  }
  const ConstMatrixView value = parameter.value.plain();
  const auto tensor = tensors_.find(parameter.spec.name);
  const bool is_original =
      tensor == tensors_.end() || (tensor->second->dtype == value.dtype && !parameter.trained());
  if (is_original && parameter.memory == memory_) return ops::convert(context, value, destination);
  const DType dtype = is_original ? value.dtype : tensor->second->dtype;
  const auto* bytes = is_original ? static_cast<const std::byte*>(value.data) : tensor->second->data;
  const MatrixView raw = context.scratch("weights.original", dtype, destination.rows, destination.cols);
  memory_->upload(bytes, static_cast<std::byte*>(raw.data),
                  static_cast<std::size_t>(bytes_of(dtype, raw.rows * raw.cols)));
  if (!is_original) release_pages(*tensor->second);
  ops::convert(context, raw, destination);
}

DType Weights::file_dtype(const Parameter& parameter) const {
  const auto tensor = tensors_.find(parameter.spec.name);
  return tensor != tensors_.end() ? tensor->second->dtype : compute_dtype_;
}

Parameter* Weights::find(ParameterRole role, std::int64_t block, bool bias) {
  const auto found = by_role_.find({role, block, bias});
  return found == by_role_.end() ? nullptr : found->second;
}

void Weights::untie_head(const DecoderSpec& config) {
  const Parameter& table = at(ParameterRole::token_table);
  Parameter& head = add(head_spec(config));
  head.value = table.value.plain();
  if (const auto tensor = tensors_.find(table.spec.name); tensor != tensors_.end())
    tensors_[head.spec.name] = tensor->second;
}

void Weights::pack(Parameter& parameter) {
  if (!memory_->is_host()) return;  // a layout of the CPU's
  const ConstMatrixView plain = parameter.value.plain();
  const bool frozen_bf16 = plain.dtype == DType::bf16 && !parameter.trained();
  if (!frozen_bf16 || !parameter.spec.is_matrix() || parameter.value.packed() != nullptr) return;
  parameter.value = ops::PackedMatrix(plain, *packed_memory_);
  if (const auto tensor = tensors_.find(parameter.spec.name); tensor != tensors_.end())
    release_pages(*tensor->second);
}

void Weights::round(Parameter& parameter) {
  if (memory_->is_host() || compute_dtype_ != DType::bf16 || parameter.spec.is_matrix()) return;
  const Matrix values = Matrix::copy_of(parameter.value.plain(), *memory_);
  Matrix rounded(DType::bf16, 1, values.cols());
  ops::Context context;
  ops::convert(context, values.view(), rounded.view());
  parameter.value.keep_rounded(Matrix::moved_to(*memory_, std::move(rounded)));
}

void Weights::make_trained(Parameter& parameter) {
  if (parameter.trained()) return;
  const auto [data, dtype, rows, cols, stride] = parameter.value.plain();
  Matrix master;
  master.resize(*memory_, DType::f32, rows, cols);
  write_from_host(*memory_, master.floats(),
                  [&](std::span<float> floats) { read_original(parameter, floats); });
  parameter.training = {std::move(master), Matrix(DType::f32, rows, cols, *memory_)};
  if (dtype == DType::f32) {
    parameter.value = parameter.training->master.view();
  } else if (parameter.value.owned() == nullptr) {  // on the host: in the file, or packed
    Matrix owned;
    owned.resize(dtype, rows, cols);
    parameter.value = std::move(owned);
    ops::Context context;
    refresh(context, parameter);
  }
}

void Weights::refresh(ops::Context& context, Parameter& parameter) {
  if (!parameter.trained() || parameter.value.plain().dtype == DType::f32) return;
  ops::convert(context, parameter.training->master.view(), parameter.value.owned()->view());
}

DType dominant_dtype(const TensorSource& source) {
  std::map<DType, std::size_t> bytes{{DType::f32, 0}};
  for (const auto& [name, tensor] : source.tensors()) {
    if (tensor.dtype != DType::i64 && tensor.dtype != DType::i32) bytes[tensor.dtype] += tensor.bytes;
  }
  return std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; })->first;
}

DType choose_compute_dtype(const std::string& option, DType file_dtype, const ops::Backend& backend) {
  if (option == "auto")
    return file_dtype != DType::f32 && backend.has_bf16_products() ? DType::bf16 : DType::f32;
  const DType dtype = parse_dtype(option);
  if (dtype != DType::f32 && dtype != DType::bf16) {
    throw UsageError(fmt::format("--dtype {}: cola computes in f32 or bf16", option));
  }
  return dtype;
}

}  // namespace cola
