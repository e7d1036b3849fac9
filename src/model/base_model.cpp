#include "model/base_model.h"

#include <fmt/format.h>

#include "model/gguf_checkpoint.h"
#include "model/model_config.h"
#include "model/weight_names.h"

namespace cola {

namespace {

BaseModel open_gguf_model(const std::filesystem::path& file) {
  BaseModel base;
  auto contents = std::make_shared<const GgufFile>(file);
  const Json json = config_of_gguf(*contents, base.notes);
  base.config = parse_model_config(json, file.string());
  base.tensors = open_gguf_checkpoint(base.config, std::move(contents));
  return base;
}

}  // namespace

BaseModel open_base_model(const std::filesystem::path& folder) {
  if (is_gguf_file(folder)) return open_gguf_model(folder);
  BaseModel base{read_model_config(folder), open_checkpoint(folder), {}};
  if (base.config.tie_word_embeddings && has_own_head(base.config, *base.tensors)) {
    base.config.tie_word_embeddings = false;
    base.notes.push_back(
        fmt::format("note: {}: lm_head.weight in the file differs from the token table, to which config.json "
                    "ties it (tie_word_embeddings): the file's head is used",
                    folder.string()));
  }
  return base;
}

}  // namespace cola
