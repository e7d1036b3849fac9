#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"

namespace cola {

/// What a serialised sentencepiece model (its ModelProto) says of how texts are encoded.
struct SentencePieceModel {
  enum Type : std::uint64_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Piece {
    std::string_view text;
    float score = 0.0F;
    std::uint64_t type = normal;
  };
  std::vector<Piece> pieces;
  std::uint64_t model_type = 1;  ///< 2 is BPE
  bool byte_fallback = false;
  bool space_as_suffix = false;
  bool maps_characters = false;  ///< the normalizer does, as NFKC
  bool dummy_prefix = true;
  bool removes_spaces = true;
  bool escapes_spaces = true;
};

/// Views into `bytes`. Throws Error beginning with `where` if they are no such message.
[[nodiscard]] SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& where);

/// The same encoding by Bpe, where it is one: BPE with byte fallback of a text whose spaces become "▁" and
/// that is otherwise as it stands (Llama 2's). Pieces have their numbers as ids.
[[nodiscard]] std::optional<Bpe> bpe_of(const SentencePieceModel& model, const std::string& where);

}  // namespace cola
