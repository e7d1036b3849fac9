#include "model/gguf_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "io/printable.h"
#include "model/family.h"
#include "model/gguf_tensors.h"

namespace cola {
namespace {

/// Where tables of rotary factors are, which the configuration has been read from.
constexpr std::array<std::string_view, 3> rotary_tensors{"rope_freqs.weight", "rope_factors_long.weight",
                                                         "rope_factors_short.weight"};

class GgufCheckpoint final : public TensorSource {
 public:
  GgufCheckpoint(const DecoderSpec& config, std::shared_ptr<const GgufFile> file)
      : config_(config), file_(std::move(file)) {
    for (const ParameterSpec& spec : parameter_specs(config)) add(spec);
    refuse_unknown();
  }
  [[nodiscard]] const std::map<std::string, SourceTensor>& tensors() const override { return tensors_; }

 private:
  void add(const ParameterSpec& spec) {
    const std::string name = gguf_name(spec);
    if (const SourceTensor* own = file_->find(name)) {
      used_.insert(name);
      return put(spec, *own);
    }
    if (const auto part = part_of_fused(spec)) return put(spec, *part);
    if (spec.role == ParameterRole::query_key_value && join(spec)) return;
    if (spec.bias) return put_zeros(spec);
    throw Error(fmt::format("{}: tensor '{}' is missing", file_->keys().where(), name));
  }

  /// Checks the shape, and stores the tensor with its rows in order.
  void put(const ParameterSpec& spec, SourceTensor tensor) {
    if (tensor.shape != spec.shape) {
      throw Error(fmt::format("{}: tensor '{}' has shape [{}] where the keys say [{}]", tensor.file,
                              gguf_name(spec), fmt::join(tensor.shape, ", "), fmt::join(spec.shape, ", ")));
    }
    if (tensor.dtype == DType::i32 || tensor.dtype == DType::i64)
      throw Error(fmt::format("{}: tensor '{}' holds integers", tensor.file, gguf_name(spec)));
    if (const auto order = gguf_row_order(config_, spec); !order.empty()) tensor = reordered(tensor, order);
    if (const float offset = gguf_offset(config_, spec); offset != 0.0F) tensor = shifted(tensor, -offset);
    tensors_.emplace(spec.name, std::move(tensor));
  }

  /// A bias that llama.cpp does not ask for adds nothing.
  void put_zeros(const ParameterSpec& spec) {
    SourceTensor tensor;
    tensor.shape = spec.shape;
    own(tensor, static_cast<std::size_t>(spec.size()) * sizeof(float));
    tensors_.emplace(spec.name, std::move(tensor));
  }

  /// Rows [begin, end) of a tensor.
  static SourceTensor rows_of(const SourceTensor& tensor, std::int64_t begin, std::int64_t end) {
    const std::int64_t row = bytes_of_row(tensor);
    SourceTensor part = tensor;
    part.shape.front() = end - begin;
    part.data += begin * row;
    part.bytes = static_cast<std::size_t>((end - begin) * row);
    return part;
  }
  static std::int64_t bytes_of_row(const SourceTensor& tensor) {
    return tensor.shape.empty() ? static_cast<std::int64_t>(tensor.bytes)
                                : static_cast<std::int64_t>(tensor.bytes) / tensor.shape.front();
  }

  /// The rows of queries, keys or values in `attn_qkv`, if the file has it in their place.
  std::optional<SourceTensor> part_of_fused(const ParameterSpec& spec) {
    using enum ParameterRole;
    if (spec.role != query && spec.role != key && spec.role != value) return std::nullopt;
    ParameterSpec fused = spec;
    fused.role = query_key_value;
    const std::string name = gguf_name(fused);
    const SourceTensor* all = file_->find(name);
    if (all == nullptr) return std::nullopt;
    used_.insert(name);
    const AttentionSpec& attention = config_.block(spec.block).attention;
    const std::int64_t begin = spec.role == query ? 0
                               : spec.role == key ? attention.query_width()
                                                  : attention.query_width() + attention.key_width();
    const std::int64_t rows = attention.query_width() + 2 * attention.key_width();
    if (all->shape.empty() || all->shape.front() != rows) {
      throw Error(fmt::format("{}: tensor '{}' has shape [{}] where the keys say {} rows", all->file, name,
                              fmt::join(all->shape, ", "), rows));
    }
    return rows_of(*all, begin, begin + spec.shape.front());
  }

  /// Queries, keys and values of a file that has them apart, as one.
  bool join(const ParameterSpec& spec) {
    using enum ParameterRole;
    std::vector<const SourceTensor*> parts;
    ParameterSpec part = spec;
    for (const ParameterRole role : {query, key, value}) {
      part.role = role;
      const std::string name = gguf_name(part);
      parts.push_back(file_->find(name));
      if (parts.back() == nullptr) return false;
      used_.insert(name);
    }
    SourceTensor all = *parts.front();
    std::size_t bytes = 0;
    std::int64_t rows = 0;
    for (const SourceTensor* each : parts) {
      if (each->dtype != all.dtype || each->shape.empty() || each->shape.back() != all.shape.back())
        throw Error(fmt::format("{}: the tensors of '{}' are of different types or widths", all.file,
                                gguf_name(spec)));
      bytes += each->bytes;
      rows += each->shape.front();
    }
    std::byte* target = own(all, bytes);
    for (const SourceTensor* each : parts) target = std::copy_n(each->data, each->bytes, target);
    all.shape.front() = rows;
    put(spec, std::move(all));
    return true;
  }

  SourceTensor reordered(const SourceTensor& tensor, const std::vector<std::int64_t>& order) {
    SourceTensor result = tensor;
    std::byte* target = own(result, tensor.bytes);
    const std::int64_t row = bytes_of_row(tensor);
    for (std::size_t i = 0; i < order.size(); ++i)
      std::copy_n(tensor.data + static_cast<std::int64_t>(i) * row, row, target + order[i] * row);
    release_pages(tensor);
    return result;
  }

  SourceTensor shifted(const SourceTensor& tensor, float offset) {
    std::vector<float> values(static_cast<std::size_t>(tensor.size()));
    read_as_f32(tensor, values);
    for (float& value : values) value += offset;
    SourceTensor result = tensor;
    result.dtype = DType::f32;
    std::memcpy(own(result, values.size() * sizeof(float)), values.data(), values.size() * sizeof(float));
    return result;
  }

  /// Gives the tensor zeroed memory of its own.
  std::byte* own(SourceTensor& tensor, std::size_t bytes) {
    std::byte* data = storage_.emplace_back(bytes).data();
    tensor.data = data;
    tensor.bytes = bytes;
    tensor.mapped = false;
    tensor.file = file_->keys().where();
    return data;
  }

  void refuse_unknown() const {
    std::vector<std::string> unknown;
    for (const std::string& name : file_->order()) {
      if (!used_.contains(name) && std::ranges::find(rotary_tensors, name) == rotary_tensors.end())
        unknown.push_back(printable(name));
    }
    if (unknown.empty()) return;
    constexpr std::size_t shown = 3;
    const std::size_t all = unknown.size();
    if (all > shown) unknown.resize(shown);
    throw Error(fmt::format("{}: {} tensor(s) that {} models do not have: {}{}", file_->keys().where(), all,
                            config_.family->name, fmt::join(unknown, ", "), all > shown ? ", ..." : ""));
  }

  DecoderSpec config_;
  std::shared_ptr<const GgufFile> file_;
  std::vector<std::vector<std::byte>> storage_;
  std::map<std::string, SourceTensor> tensors_;
  std::set<std::string> used_;
};

}  // namespace

Json config_of_gguf(const GgufFile& file, std::vector<std::string>& notes) {
  const std::string_view architecture = file.keys().at<std::string_view>("general.architecture");
  const std::string_view type = file.keys().get<std::string_view>("general.type", "model");
  if (type != "model") {
    throw Error(
        fmt::format("{}: it is of the type '{}', and no model", file.keys().where(), printable(type)));
  }
  std::vector<std::string_view> known;
  for (const Family* family : all_families()) {
    if (family->gguf == nullptr || family->gguf->config == nullptr) continue;
    if (family->gguf->architecture == architecture) {
      Json config = family->gguf->config(*family, file, notes);
      config["architectures"] = {family->architecture};
      return config;
    }
    known.push_back(family->gguf->architecture);
  }
  throw Error(fmt::format("{}: architecture '{}' is not supported: cola reads GGUF files of {}",
                          file.keys().where(), printable(architecture), fmt::join(known, ", ")));
}

std::unique_ptr<TensorSource> open_gguf_checkpoint(const DecoderSpec& config,
                                                   std::shared_ptr<const GgufFile> file) {
  return std::make_unique<GgufCheckpoint>(config, std::move(file));
}

}  // namespace cola
