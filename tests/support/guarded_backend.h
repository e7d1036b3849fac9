#pragma once
// A device that is none: the CPU's ops on memory that nothing else can touch. Whoever dereferences a tensor
// of it outside an op ends with SIGSEGV, and an op that is given the host's memory for a tensor throws. An
// upload slot loses what it holds when it is filled, at once, and gets what it is filled with as late as it
// may: an op that reads it too late or too early reads NaN.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <vector>

#include "backend/backend.h"

namespace cola::test {

/// One range of addresses, so that opening and closing it is one system call each.
class GuardedMemory final : public Memory {
 public:
  GuardedMemory() {
    void* range = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) throw std::bad_alloc();
    range_ = static_cast<std::byte*>(range);
  }
  ~GuardedMemory() override { munmap(range_, reserved); }

  std::byte* allocate(std::size_t bytes) override {
    ++allocations_;
    const std::size_t rounded = (bytes + page - 1) / page * page;
    std::byte* block = range_;  // the first gap that is large enough
    for (const auto& [begin, size] : blocks_) {
      if (begin - block >= static_cast<std::ptrdiff_t>(rounded)) break;
      block = begin + size;
    }
    if (block + rounded > range_ + reserved) throw std::bad_alloc();
    blocks_[block] = rounded;
    used_ = std::max(used_, static_cast<std::size_t>(block + rounded - range_));
    if (open_ > 0) protect(PROT_READ | PROT_WRITE);
    const Access access(*this);
    std::memset(block, 0xff, rounded);  // NaN: a value that nobody wrote shows
    return block;
  }
  void release(std::byte* memory, std::size_t /*bytes*/) noexcept override { blocks_.erase(memory); }
  void fill_zero(std::byte* memory, std::size_t bytes) override {
    const Access access(*this);
    std::memset(memory, 0, bytes);
  }
  void upload(const std::byte* host, std::byte* destination, std::size_t bytes) override {
    require(destination, bytes);
    const Access access(*this);
    std::memcpy(destination, host, bytes);
  }
  void download(const std::byte* source, std::byte* host, std::size_t bytes) override {
    require(source, bytes);
    const Access access(*this);
    std::memcpy(host, source, bytes);
  }
  [[nodiscard]] bool is_host() const override { return false; }
  [[nodiscard]] std::int64_t available_bytes() const override { return std::int64_t{1} << 40; }
  [[nodiscard]] std::int64_t peak_bytes() const override { return 0; }

  [[nodiscard]] std::int64_t allocations() const { return allocations_; }  ///< so far

  /// Throws unless the bytes are of one block.
  void require(const void* data, std::size_t bytes) const {
    if (bytes == 0) return;
    const auto* begin = static_cast<const std::byte*>(data);
    auto block = blocks_.upper_bound(const_cast<std::byte*>(begin));
    if (block == blocks_.begin()) throw std::logic_error("a tensor is not in the device's memory");
    --block;
    if (begin + bytes > block->first + block->second)
      throw std::logic_error("a tensor is not in the device's memory");
  }

  /// While one lives, the memory can be read and written.
  class Access {
   public:
    explicit Access(GuardedMemory& memory) : memory_(memory) {
      if (memory_.open_++ == 0) memory_.protect(PROT_READ | PROT_WRITE);
    }
    ~Access() {
      if (--memory_.open_ == 0) memory_.protect(PROT_NONE);
    }
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

   private:
    GuardedMemory& memory_;
  };

 private:
  static constexpr std::size_t page = 4096;
  static constexpr std::size_t reserved = std::size_t{1} << 34;

  void protect(int protection) { mprotect(range_, used_, protection); }

  std::byte* range_ = nullptr;
  std::size_t used_ = 0;  ///< of the range: up to the last block so far

  std::map<std::byte*, std::size_t> blocks_;
  std::int64_t allocations_ = 0;
  int open_ = 0;
};

/// The host's memory that uploads come from.
class UploadedMemory final : public Memory {
 public:
  std::byte* allocate(std::size_t bytes) override {
    std::byte* block = host_memory().allocate(bytes);
    std::memset(block, 0xff, bytes);
    blocks_[block] = bytes;
    return block;
  }
  void release(std::byte* memory, std::size_t bytes) noexcept override {
    std::memset(memory, 0xff, bytes);
    blocks_.erase(memory);
    host_memory().release(memory, bytes);
  }
  void fill_zero(std::byte* memory, std::size_t bytes) override { host_memory().fill_zero(memory, bytes); }
  void upload(const std::byte* host, std::byte* destination, std::size_t bytes) override {
    host_memory().upload(host, destination, bytes);
  }
  void download(const std::byte* source, std::byte* host, std::size_t bytes) override {
    host_memory().download(source, host, bytes);
  }
  [[nodiscard]] bool is_host() const override { return true; }
  [[nodiscard]] std::int64_t available_bytes() const override { return std::int64_t{1} << 40; }
  [[nodiscard]] std::int64_t peak_bytes() const override { return 0; }

  /// Throws unless a block begins there and has as many bytes.
  void require(const std::byte* block, std::size_t bytes) const {
    const auto found = blocks_.find(const_cast<std::byte*>(block));
    if (found == blocks_.end() || found->second < bytes)
      throw std::logic_error("an upload is not from the memory that uploads come from");
  }

 private:
  std::map<std::byte*, std::size_t> blocks_;
};

class GuardedUploads final : public ops::Uploads {
 public:
  explicit GuardedUploads(GuardedMemory& device) : device_(device) {}
  [[nodiscard]] Memory& memory() override { return host_; }
  [[nodiscard]] std::unique_ptr<ops::UploadSlot> make_slot(std::size_t bytes) override {
    return std::make_unique<Slot>(*this, bytes);
  }
  [[nodiscard]] std::int64_t fills() const { return fills_; }  ///< so far

 private:
  class Slot final : public ops::UploadSlot {
   public:
    Slot(GuardedUploads& uploads, std::size_t bytes) : uploads_(uploads), room_(uploads.device_) {
      room_.resize(bytes);
    }
    [[nodiscard]] std::byte* data() override { return room_.data(); }
    void fill(std::span<const Part> parts) override {
      const GuardedMemory::Access access(uploads_.device_);
      std::memset(room_.data(), 0xff, room_.size());
      parts_.assign(parts.begin(), parts.end());
      ++uploads_.fills_;
    }
    void arrive() override {
      for (const Part& part : parts_) {
        uploads_.host_.require(part.host, part.bytes);
        uploads_.device_.upload(part.host, room_.data() + part.offset, part.bytes);
      }
      parts_.clear();
    }
    void wait() noexcept override { arrive(); }

   private:
    GuardedUploads& uploads_;
    Buffer room_;
    std::vector<Part> parts_;
  };

  GuardedMemory& device_;
  UploadedMemory host_;
  std::int64_t fills_ = 0;
};

class GuardedBackend final : public ops::Backend {
 public:
  [[nodiscard]] std::string name() const override { return "guarded"; }
  [[nodiscard]] std::string description() const override { return "the CPU behind a fence"; }
  [[nodiscard]] const ops::OpTable& ops() const override;
  [[nodiscard]] Memory& memory() override { return memory_; }
  [[nodiscard]] bool has_bf16_products() const override { return false; }
  [[nodiscard]] std::string_view product_kernel(DType dtype, bool frozen) const override {
    return ops::cpu_backend().product_kernel(dtype, frozen);
  }
  [[nodiscard]] std::int64_t logits_chunk_bytes(DType dtype) const override {
    return ops::cpu_backend().logits_chunk_bytes(dtype);
  }
  [[nodiscard]] std::int64_t expansion_bytes(DType dtype, ConstMatrixView w) const override {
    return ops::cpu_backend().expansion_bytes(dtype, w);
  }
  void synchronize() override {}
  [[nodiscard]] ops::PeakRate measure_peak(DType dtype) override {
    return ops::cpu_backend().measure_peak(dtype);
  }
  [[nodiscard]] double measure_read_rate() override { return ops::cpu_backend().measure_read_rate(); }

  [[nodiscard]] GuardedUploads* uploads() override { return &uploads_; }

  [[nodiscard]] GuardedMemory& guarded() { return memory_; }

 private:
  GuardedMemory memory_;
  GuardedUploads uploads_{memory_};
};

namespace guarded {

inline void require(GuardedMemory& memory, ConstMatrixView view) {
  if (view.empty()) return;
  const auto elements = (view.rows - 1) * view.stride + view.cols;
  memory.require(view.data, static_cast<std::size_t>(bytes_of(view.dtype, elements)));
}
inline void require(GuardedMemory& memory, MatrixView view) { require(memory, ConstMatrixView(view)); }
inline void require(GuardedMemory& memory, const ops::WeightView& weight) {
  if (weight.packed == nullptr) require(memory, weight.plain);
}
inline void require(GuardedMemory& memory, const ops::BiasView& bias) {
  memory.require(bias.values.data(), bias.values.size_bytes());
  if (bias.rounded != nullptr) memory.require(bias.rounded, bias.values.size() * sizeof(BFloat16));
}
/// Spans of floats that are changed, and bytes, are tensors of the device; so are those of every op but the
/// loss weights, which are read only: they and integers describe the batch.
inline void require(GuardedMemory& memory, std::span<float> values) {
  memory.require(values.data(), values.size_bytes());
}
inline void require(GuardedMemory& memory, std::span<std::uint8_t> values) {
  memory.require(values.data(), values.size_bytes());
}
inline void require(GuardedMemory& memory, const ops::CachedSequence& cache) {
  require(memory, cache.keys);
  require(memory, cache.values);
}
inline void require(GuardedMemory& memory, std::span<const ops::CachedSequence> caches) {
  for (const auto& cache : caches) require(memory, cache);
}
inline void require(GuardedMemory& memory, std::span<const ops::HeadBranch> branches) {
  for (const auto& branch : branches) {
    for (const ConstMatrixView view : {branch.input, branch.a, branch.b}) require(memory, view);
    for (const MatrixView view : {branch.u, branch.du, branch.db}) require(memory, view);
  }
}
inline void require(GuardedMemory& memory, std::span<const ops::LinearProduct> products) {
  for (const auto& product : products) {
    require(memory, product.w);
    require(memory, product.bias);
    require(memory, product.addend);
    require(memory, product.y);
  }
}
inline void require(GuardedMemory& memory, std::span<const ops::LoraForward> branches) {
  for (const auto& branch : branches) {
    for (const ConstMatrixView view : {branch.a, branch.b}) require(memory, view);
    for (const MatrixView view : {branch.u, branch.y}) require(memory, view);
  }
}
inline void require(GuardedMemory& memory, std::span<const ops::LoraBackwardB> branches) {
  for (const auto& branch : branches) {
    for (const ConstMatrixView view : {branch.dy, branch.u, branch.b}) require(memory, view);
    for (const MatrixView view : {branch.du, branch.db}) require(memory, view);
  }
}
inline void require(GuardedMemory& memory, std::span<const ops::LoraBackwardA> branches) {
  for (const auto& branch : branches) {
    for (const ConstMatrixView view : {branch.du, branch.a}) require(memory, view);
    require(memory, branch.da);
  }
}
inline void require(GuardedMemory& memory, std::span<const std::span<const float>> arrays) {
  for (const auto& array : arrays) memory.require(array.data(), array.size_bytes());
}
inline void require(GuardedMemory& memory, std::span<const std::span<float>> arrays) {
  for (const auto& array : arrays) memory.require(array.data(), array.size_bytes());
}
inline void require(GuardedMemory& memory, std::span<const ops::UpdatedTensor> tensors) {
  for (const auto& tensor : tensors) {
    memory.require(tensor.gradient.data(), tensor.gradient.size_bytes());
    for (const auto& array : {tensor.parameter, tensor.first, tensor.second})
      memory.require(array.data(), array.size_bytes());
  }
}
template <class Other>
void require(GuardedMemory& /*memory*/, const Other& /*operand*/) {}

/// The entry of an op: looks at its operands, opens the memory, runs the CPU's.
template <auto Entry, class Function>
struct Op;
template <auto Entry, class Result, class... Arguments>
struct Op<Entry, Result (*)(ops::Context&, Arguments...)> {
  static Result call(ops::Context& context, Arguments... arguments) {
    auto& memory = static_cast<GuardedBackend&>(context.backend()).guarded();
    (require(memory, arguments), ...);
    const GuardedMemory::Access access(memory);
    return (ops::cpu_backend().ops().*Entry)(context, arguments...);
  }
};

template <class T>
struct MemberType;
template <class Member>
struct MemberType<Member ops::OpTable::*> {
  using Type = Member;
};
template <auto Entry>
inline constexpr auto op = &Op<Entry, typename MemberType<decltype(Entry)>::Type>::call;

}  // namespace guarded

inline const ops::OpTable& GuardedBackend::ops() const {
  using Table = ops::OpTable;
  static constexpr Table table = {
      .attention_forward = guarded::op<&Table::attention_forward>,
      .attention_backward = guarded::op<&Table::attention_backward>,
      .attention_cached = guarded::op<&Table::attention_cached>,
      .transform_logits = guarded::op<&Table::transform_logits>,
      .cross_entropy_forward = guarded::op<&Table::cross_entropy_forward>,
      .cross_entropy_forward_backward = guarded::op<&Table::cross_entropy_forward_backward>,
      .fill_zero = guarded::op<&Table::fill_zero>,
      .add = guarded::op<&Table::add>,
      .scale = guarded::op<&Table::scale>,
      .relu_forward = guarded::op<&Table::relu_forward>,
      .relu_backward = guarded::op<&Table::relu_backward>,
      .gate_forward = guarded::op<&Table::gate_forward>,
      .gate_backward = guarded::op<&Table::gate_backward>,
      .dropout = guarded::op<&Table::dropout>,
      .convert = guarded::op<&Table::convert>,
      .embedding_forward = guarded::op<&Table::embedding_forward>,
      .embedding_backward = guarded::op<&Table::embedding_backward>,
      .gather_rows = guarded::op<&Table::gather_rows>,
      .scatter_rows = guarded::op<&Table::scatter_rows>,
      .linear_forward = guarded::op<&Table::linear_forward>,
      .linear_forward_together = guarded::op<&Table::linear_forward_together>,
      .linear_relu_forward = guarded::op<&Table::linear_relu_forward>,
      .linear_relu_backward = guarded::op<&Table::linear_relu_backward>,
      .linear_gate_forward = guarded::op<&Table::linear_gate_forward>,
      .linear_gate_backward = guarded::op<&Table::linear_gate_backward>,
      .linear_backward_input = guarded::op<&Table::linear_backward_input>,
      .linear_backward_weight = guarded::op<&Table::linear_backward_weight>,
      .linear_backward_bias = guarded::op<&Table::linear_backward_bias>,
      .lora_forward = guarded::op<&Table::lora_forward>,
      .lora_backward_b = guarded::op<&Table::lora_backward_b>,
      .lora_backward_a = guarded::op<&Table::lora_backward_a>,
      .lora_delta = guarded::op<&Table::lora_delta>,
      .layer_norm_forward = guarded::op<&Table::layer_norm_forward>,
      .layer_norm_backward = guarded::op<&Table::layer_norm_backward>,
      .rms_norm_forward = guarded::op<&Table::rms_norm_forward>,
      .rms_norm_backward = guarded::op<&Table::rms_norm_backward>,
      .rotary = guarded::op<&Table::rotary>,
      .adamw_update = guarded::op<&Table::adamw_update>,
      .sgd_update = guarded::op<&Table::sgd_update>,
      .adagrad_update = guarded::op<&Table::adagrad_update>,
      .zero_arrays = guarded::op<&Table::zero_arrays>,
      .squared_norm = guarded::op<&Table::squared_norm>,
  };
  return table;
}

}  // namespace cola::test
