#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/tensor_source.h"
#include "model/decoder_spec.h"
#include "model/family.h"

namespace cola {

/// Finds each parameter of `config` among the file's tensors, under any of the names that published files
/// use: with or without the "model." prefix, with the stems of Family::file_stems, a tied head under its own
/// name or the embedding's or both. Tensors that carry no weights (Family::ignored_tensors) and those of
/// other parts are passed over, and so is the head's where `config` ties it: see has_own_head. Throws Error
/// naming every missing, unknown or misshaped tensor (the first few), or one that is there under two names.
[[nodiscard]] std::map<std::string, const SourceTensor*> match_tensors(const DecoderSpec& config,
                                                                       const TensorSource& source);

/// Whether the file has both the token table and a head, and they differ by value, whatever their
/// dtypes: then the head is the model's, also where config.json says `tie_word_embeddings`. Throws Error for
/// a table or head of another shape, of integers, or with values that are not finite, which compare as
/// nothing.
[[nodiscard]] bool has_own_head(const DecoderSpec& config, const TensorSource& source);

/// A tensor of another part than the decoder (Family::other_parts), by both of its names.
struct OtherTensor {
  std::string in_file;
  std::string in_memory;
  const SourceTensor* tensor = nullptr;
};
[[nodiscard]] std::vector<OtherTensor> tensors_of_other_parts(const DecoderSpec& config,
                                                              const TensorSource& source);

/// Family::file_stems where the file has tensors of the decoder under one of them; else none.
[[nodiscard]] std::span<const NameStem> stems_in_use(const DecoderSpec& config, const TensorSource& source);

/// What a file with these stems calls the parameter `name` (ParameterSpec::name).
[[nodiscard]] std::string name_in_file(std::span<const NameStem> stems, const std::string& name);

}  // namespace cola
