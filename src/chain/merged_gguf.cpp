#include "chain/merged_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "chain/merged_gguf_keys.h"
#include "core/error.h"
#include "core/stored_values.h"
#include "io/gguf/gguf_file.h"
#include "io/gguf/gguf_writer.h"
#include "model/family.h"
#include "model/gguf_mixture.h"
#include "model/gguf_tensors.h"
#include "model/huggingface_folder.h"

namespace cola {
namespace {

/// Rows of a parameter, in Hugging Face's order of it.
struct Rows {
  const Parameter* parameter;
  std::int64_t begin;
  std::int64_t end;
};

/// Distance, squared, from values to what was stored of them.
double squared_distance(std::span<const float> values, DType dtype, std::span<const std::byte> bytes) {
  const SourceTensor stored{dtype, {std::ssize(values)}, bytes.data(), bytes.size(), "", false};
  constexpr std::size_t at_once = std::size_t{1} << 20;  // whole blocks of every type
  std::vector<float> read;
  double sum = 0.0;
  for (std::size_t begin = 0; begin < values.size(); begin += at_once) {
    read.resize(std::min(at_once, values.size() - begin));
    read_as_f32(stored, static_cast<std::int64_t>(begin), read);
    for (std::size_t i = 0; i < read.size(); ++i) {
      const double error = static_cast<double>(read[i]) - static_cast<double>(values[begin + i]);
      sum += error * error;
    }
  }
  return sum;
}

/// The tensors of a merged model's file.
class MergedTensors {
 public:
  MergedTensors(MergedModel& merged, std::optional<DType> type) : merged_(merged), type_(type) {}

  /// All of a base that is a folder.
  void add_model() {
    tensors_ = gguf_rotary_tensors(merged_.config());
    for (const auto& parameter : merged_.weights().all()) add_whole(*parameter);
    const DecoderSpec& config = merged_.config();
    if (!config.tie_word_embeddings || config.family->gguf->head != GgufHead::own) return;
    const ParameterSpec table = parameter_of(config, ParameterRole::token_table);
    const ParameterSpec head = head_spec(config);
    add(gguf_name(head), head.shape, gguf_dtype(config, head, type()),
        {{&merged_.weights().at(table.name), 0, table.shape.front()}});
  }

  /// The tensors of the base's file in their order; what links train that it has not follows.
  void add_file(const GgufFile& base) {
    std::set<const Parameter*> written;
    const auto places = places_in(base);
    for (const std::string& name : base.order()) {
      const SourceTensor& tensor = *base.find(name);
      const auto rows = places.find(name);
      if (rows == places.end() || !is_rewritten(rows->second, tensor)) {
        add_copy(name, tensor);
      } else {
        add(name, tensor.shape, dtype_of(rows->second, tensor), rows->second);
      }
      if (rows != places.end())
        for (const Rows& part : rows->second) written.insert(part.parameter);
    }
    for (const auto& parameter : merged_.weights().all())
      if (merged_.changes(*parameter) && !written.contains(parameter.get())) add_whole(*parameter);
  }

  [[nodiscard]] const std::vector<TensorToWrite>& all() const { return tensors_; }
  /// The whole file's, where not each tensor keeps its own.
  [[nodiscard]] DType type() const { return type_.value_or(folder_dtype_of_gguf(merged_.dtype_in_file())); }
  /// dtype of most bytes of the matrices; of those that links change.
  [[nodiscard]] DType dtype() const { return most(bytes_); }
  [[nodiscard]] DType changed_dtype() const {
    return changed_bytes_.empty() ? dtype() : most(changed_bytes_);
  }
  [[nodiscard]] bool any_quantized() const {
    return std::ranges::any_of(tensors_, [](const auto& tensor) { return is_quantized(tensor.dtype); });
  }

 private:
  static DType most(const std::map<DType, std::size_t>& bytes) {
    return bytes.empty()
               ? DType::f32
               : std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; })->first;
  }

  [[nodiscard]] bool is_changed(const std::vector<Rows>& rows) const {
    return std::ranges::any_of(rows, [&](const Rows& part) { return merged_.changes(*part.parameter); });
  }

  /// Which parameters' rows a tensor of the base's file has: a whole one, or queries, keys and values in one
  /// or apart, whatever the model has.
  [[nodiscard]] std::map<std::string, std::vector<Rows>> places_in(const GgufFile& base) const {
    using enum ParameterRole;
    std::map<std::string, std::vector<Rows>> places;
    for (const auto& parameter : merged_.weights().all()) {
      ParameterSpec spec = parameter->spec;
      const std::int64_t rows = spec.shape.front();
      const std::string own = gguf_name(spec);
      if (base.find(own) != nullptr) {
        places[own].push_back({parameter.get(), 0, rows});
      } else if (spec.role == query || spec.role == key || spec.role == value) {
        spec.role = query_key_value;
        places[gguf_name(spec)].push_back({parameter.get(), 0, rows});  // they come in this order
      } else if (spec.role == query_key_value) {
        const AttentionSpec& attention = merged_.config().block(spec.block).attention;
        std::int64_t begin = 0;
        for (const ParameterRole role : {query, key, value}) {
          spec.role = role;
          const std::int64_t end = begin + (role == query ? attention.query_width() : attention.key_width());
          places[gguf_name(spec)].push_back({parameter.get(), begin, end});
          begin = end;
        }
      }
    }
    return places;
  }

  [[nodiscard]] DType dtype_of(const std::vector<Rows>& rows, const SourceTensor& in_file) const {
    ParameterSpec spec = rows.front().parameter->spec;
    if (!spec.is_matrix()) return in_file.dtype;
    if (rows.size() > 1) spec.role = ParameterRole::query_key_value;
    if (type_) return gguf_dtype(merged_.config(), spec, *type_);
    return is_quantized(in_file.dtype) ? DType::f16 : in_file.dtype;
  }

  [[nodiscard]] bool is_rewritten(const std::vector<Rows>& rows, const SourceTensor& in_file) const {
    if (is_changed(rows)) return true;
    return type_ && dtype_of(rows, in_file) != in_file.dtype;
  }

  void add_copy(const std::string& name, const SourceTensor& tensor) {
    if (tensor.shape.size() == 2) bytes_[tensor.dtype] += tensor.bytes;
    tensors_.push_back({name, tensor.dtype, tensor.shape, [&tensor](std::span<std::byte> bytes) {
                          std::copy_n(tensor.data, bytes.size(), bytes.begin());
                          release_pages(tensor);
                        }});
  }

  void add_whole(const Parameter& parameter) {
    const ParameterSpec& spec = parameter.spec;
    add(gguf_name(spec), spec.shape, gguf_dtype(merged_.config(), spec, type()),
        {{&parameter, 0, spec.shape.front()}});
  }

  void add(const std::string& name, const std::vector<std::int64_t>& shape, DType dtype,
           std::vector<Rows> rows) {
    TensorToWrite tensor{name, dtype, shape, {}};
    if (shape.size() == 2) {
      bytes_[dtype] += tensor.bytes();
      if (is_changed(rows)) changed_bytes_[dtype] += tensor.bytes();
    }
    tensor.fill = [this, name, dtype, parts = std::move(rows)](std::span<std::byte> bytes) {
      fill(name, dtype, parts, bytes);
    };
    tensors_.push_back(std::move(tensor));
  }

  void fill(const std::string& name, DType dtype, const std::vector<Rows>& rows, std::span<std::byte> bytes) {
    std::size_t at = 0;
    for (const Rows& part : rows) {
      const std::span<const float> values = values_of(part);
      const auto size = static_cast<std::size_t>(bytes_of(dtype, std::ssize(values)));
      const std::span target = bytes.subspan(at, size);
      store(values, dtype, target);
      if (const std::size_t lost = first_lost(values, dtype, target); lost < values.size())
        refuse_to_write(name, values[lost], dtype, "--type");
      if (merged_.changes(*part.parameter))
        merged_.add_rounding_error(*part.parameter, squared_distance(values, dtype, target));
      at += size;
    }
  }

  /// In the order and with the offset of GGUF files; valid until the next call.
  std::span<const float> values_of(const Rows& rows) {
    const ParameterSpec& spec = rows.parameter->spec;
    values_.resize(static_cast<std::size_t>(spec.size()));
    merged_.read(*rows.parameter, values_);
    const auto width = static_cast<std::size_t>(spec.size() / spec.shape.front());
    if (const float offset = gguf_offset(merged_.config(), spec); offset != 0.0F)
      for (float& value : values_) value += offset;
    const auto order = gguf_row_order(merged_.config(), spec);
    if (order.empty()) {
      return std::span(values_).subspan(static_cast<std::size_t>(rows.begin) * width,
                                        static_cast<std::size_t>(rows.end - rows.begin) * width);
    }
    ordered_.resize(values_.size());
    auto target = ordered_.begin();
    for (const std::int64_t row : order)
      target = std::copy_n(values_.begin() + row * static_cast<std::int64_t>(width), width, target);
    return ordered_;
  }

  MergedModel& merged_;
  std::optional<DType> type_;
  std::vector<TensorToWrite> tensors_;
  std::map<DType, std::size_t> bytes_;
  std::map<DType, std::size_t> changed_bytes_;
  std::vector<float> values_;
  std::vector<float> ordered_;
};

/// Throws Error for what a file cannot hold.
void require_gguf(const DecoderSpec& config) {
  const std::string_view name = config.family->name;
  if (config.family->gguf == nullptr)
    throw Error(fmt::format("{} models have no GGUF files here: leave --format gguf out", name));
  if (config.family->gguf->head == GgufHead::tied && !config.tie_word_embeddings) {
    throw Error(fmt::format(
        "llama.cpp ties the head of {} models to the token table, and this one has its own: leave --format "
        "gguf out",
        name));
  }
}

}  // namespace

MergeReport write_merged_gguf(ops::Context& context, const std::filesystem::path& model,
                              std::vector<Link> links, const GgufMergeOptions& options,
                              const std::filesystem::path& out) {
  MergedModel merged(context, model, std::move(links));
  require_gguf(merged.config());
  const auto base = is_gguf_file(model) ? std::make_unique<GgufFile>(model) : nullptr;
  std::vector<std::string> notes;
  GgufMetadata keys = base != nullptr ? merged_keys(base->keys(), options.chat, notes)
                                      : merged_keys(model, merged.config(), options.chat, notes);
  MergedTensors tensors(merged, options.type);
  base != nullptr ? tensors.add_file(*base) : tensors.add_model();
  if (!merged.weights().other_tensors().empty())
    notes.emplace_back("note: the parts beside the decoder, of images, are not in the file");
  const auto* own_type = base != nullptr ? base->keys().find<std::uint32_t>("general.file_type") : nullptr;
  if (options.type || own_type == nullptr) {
    keys.add("general.file_type", gguf_file_type(tensors.type()));
  } else {
    keys.add("general.file_type", *own_type);
  }
  constexpr std::uint32_t quantization_version = 2;
  if (tensors.any_quantized()) keys.add("general.quantization_version", quantization_version);
  write_gguf(out, keys, tensors.all());

  MergeReport report = merged.report();
  report.notes.insert(report.notes.end(), notes.begin(), notes.end());
  report.dtype = tensors.dtype();
  report.changed_dtype = tensors.changed_dtype();
  return report;
}

}  // namespace cola
