#include "model/base_model.h"

#include <fmt/format.h>

#include "model/model_config.h"
#include "model/weight_names.h"

namespace cola {

BaseModel open_base_model(const std::filesystem::path& folder) {
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
