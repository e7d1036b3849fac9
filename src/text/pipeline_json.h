#pragma once
#include <optional>
#include <string>
#include <vector>

#include "io/json.h"
#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_decoder.h"

namespace cola {

// Each reads one member of tokenizer.json (`json` may be null: then the step is absent). A type that is not
// supported is refused by name. Errors begin with `where`.

[[nodiscard]] Normalizer read_normalizer(const Json& json, const std::string& where);
[[nodiscard]] PreTokenizer read_pre_tokenizer(const Json& json, const std::string& where);
[[nodiscard]] TokenDecoder read_decoder(const Json& json, const std::string& where);
[[nodiscard]] std::vector<AddedToken> read_added_tokens(const Json& json, const std::string& where);

/// `json`, which may be null, as one object a step: those of a Sequence (its member `key`), nested ones too,
/// or itself.
[[nodiscard]] std::vector<const Json*> pipeline_steps(const Json& json, const std::string& key,
                                                      const std::string& where);

/// The BOS that the post_processor puts before a text, empty where it puts none; absent where there is no
/// post_processor. (What it does to pairs of texts and behind a text is not read: data/ adds EOS.)
[[nodiscard]] std::optional<std::string> read_post_processor_bos(const Json& json, const std::string& where);

/// Whether `json`, a pre_tokenizer or decoder or a Sequence of them, has a ByteLevel step.
[[nodiscard]] bool has_byte_level(const Json& json);

}  // namespace cola
