#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "core/dtype.h"
#include "model/weights.h"

namespace cola {

inline constexpr std::int64_t default_max_shard_bytes = 5'000'000'000;  // Hugging Face's 5GB

/// What a folder of the weights of a GGUF file has where nothing is asked for: the dtype of most of its
/// matrices, or f16 where they are quantised, which keeps three more bits of a quantised value than bf16.
[[nodiscard]] DType folder_dtype_of_gguf(DType in_file);

/// Writes a folder that transformers loads: weights under save_pretrained's names or, with stems of their
/// family (Family::file_stems), those of the file that `weights` was read from; what else that file has, byte
/// for byte; and the configuration, tokenizer and processor files of `source`, a folder, or those that say
/// the same as a GGUF file. The configuration says so where `weights` have a head of their own and the source
/// ties it to the token table. `folder` exists and is empty (see write_folder). `dtype`: of the weights; by
/// default each tensor's in the file that `weights` was read from. Every dtype that the configuration names
/// becomes the widest one written. `values(parameter, f32)` gives a parameter's values, e.g. merged or
/// trained ones. Throws Error naming the tensor for values that are not finite, or that `dtype` has no room
/// for: then another, by the option `dtype_option`
/// ("--merge-dtype"), is the way out.
void write_huggingface_folder(const std::filesystem::path& folder, const std::filesystem::path& source,
                              const Weights& weights, std::optional<DType> dtype,
                              const std::string& dtype_option, std::int64_t max_shard_bytes,
                              const std::function<void(const Parameter&, std::span<float>)>& values);

/// Throws the Error that write_huggingface_folder throws for a `value` that `dtype` cannot hold.
[[noreturn]] void refuse_to_write(const std::string& name, float value, DType dtype,
                                  const std::string& dtype_option);

}  // namespace cola
