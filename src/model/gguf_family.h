#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/gguf/gguf_file.h"
#include "io/gguf/gguf_metadata.h"
#include "io/json.h"
#include "model/decoder_spec.h"

namespace cola {

struct Family;

/// Whether llama.cpp reads `output.weight` of a family's files.
enum class GgufHead : std::uint8_t {
  optional,  ///< where it is missing, the head is tied to the token table
  tied,      ///< never: a head of its own cannot be said
  own,       ///< always: of a tied model it is the table once more
};

/// How llama.cpp's files (GGUF) hold the models of a family.
struct GgufFamily {
  std::string_view architecture;  ///< `general.architecture`, with which its keys begin: "llama"
  /// Rotary turns neighbours of a head (2i, 2i + 1) instead of i and i + head_dim / 2: rows of queries and
  /// keys are in that order (gguf_row_order).
  bool interleaved_rotary = false;
  bool windows = false;         ///< llama.cpp has its windows; else attention is full there
  bool divides_rotary = false;  ///< `rope_freqs.weight` divides the frequencies: rope type llama3
  GgufHead head = GgufHead::optional;

  /// The config.json of a file. `notes` gets what has no key and is taken as llama.cpp takes it. Throws Error
  /// naming the key that is missing or not supported.
  Json (*config)(const Family& family, const GgufFile& file, std::vector<std::string>& notes);
  /// Adds the keys of a model with this configuration. `notes` gets what llama.cpp's readers will do
  /// otherwise. Throws Error naming what they cannot be told.
  void (*keys)(const DecoderSpec& spec, const Json& config, GgufMetadata& keys,
               std::vector<std::string>& notes);
};

}  // namespace cola
