#include "io/quantized_weights.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/printable.h"

namespace cola {
namespace {

/// Ends of the names of tensors that only quantised weights have.
constexpr std::array<std::pair<std::string_view, std::string_view>, 13> signs{{
    {".g_idx", "GPTQ"},
    {".qzeros", "GPTQ or AWQ"},
    {".qweight", "GPTQ or AWQ"},
    {".absmax", "bitsandbytes, 4-bit"},
    {".quant_map", "bitsandbytes, 4-bit"},
    {".SCB", "bitsandbytes, 8-bit"},
    {".weight_scale_inv", "FP8"},
    {".weight_scale", "FP8"},
    {".weight_packed", "compressed-tensors"},
    {".W_q", "HQQ"},
    {".codebooks", "AQLM"},
    {".scales", "mlx"},
    {"_blocks", "MXFP4"},
}};

std::string_view quantization_by_names(const TensorSource& source) {
  for (const auto& [end, method] : signs) {
    for (const auto& [name, tensor] : source.tensors()) {
      if (name.ends_with(end)) return method;
    }
  }
  return "";
}

std::string text_of(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

std::int64_t bits_of(const Json& object) {
  const auto bits = object.find("bits");
  if (bits != object.end() && bits->is_number_integer()) return bits->get<std::int64_t>();
  for (const auto& [key, count] : {std::pair("load_in_4bit", 4), std::pair("load_in_8bit", 8)}) {
    if (const auto flag = object.find(key); flag != object.end() && *flag == Json(true)) return count;
  }
  return 0;
}

}  // namespace

std::string configured_quantization(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  if (!std::filesystem::exists(file)) return "";
  const Json config =
      Json::parse(read_text_file(file), nullptr, false);  // what is not JSON is said elsewhere
  if (!config.is_object()) return "";
  for (const auto& [key, method] : {std::pair("quantization_config", ""), std::pair("quantization", "mlx")}) {
    const auto member = config.find(key);
    if (member == config.end() || !member->is_object()) continue;
    std::string name = text_of(*member, "quant_method");
    if (name.empty()) name = method;
    if (name.empty()) name = "a method that it does not name";
    const std::int64_t bits = bits_of(*member);
    return printable(bits > 0 ? fmt::format("{}, {}-bit", name, bits) : name);
  }
  return "";
}

std::string quantized_weights_message(const std::filesystem::path& folder, const std::string& method) {
  return fmt::format(
      "{}: its weights are quantised ({}), and cola reads f32, bf16 and f16: use the model that they were "
      "made "
      "of, or one that was dequantised",
      folder.string(), method);
}

void refuse_quantized_weights(const std::filesystem::path& folder, const TensorSource& source) {
  const std::string_view by_names = quantization_by_names(source);
  if (by_names.empty()) return;
  const std::string configured = configured_quantization(folder);
  throw Error(quantized_weights_message(folder, configured.empty() ? std::string(by_names) : configured));
}

}  // namespace cola
