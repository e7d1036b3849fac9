// What a run leaves beside its log and checkpoints: links/, chain.json, best/, last/.
#include <fmt/format.h>

#include <algorithm>

#include "io/files.h"
#include "lora/peft_format.h"
#include "model/huggingface_folder.h"
#include "train/trainer.h"

namespace cola {

void Trainer::write_links_and_manifest() {
  if (!writes()) return;
  const std::string base = session_.options.model.string();
  ChainManifest manifest{
      session_.options.method, base, std::string(name_of(session_.plan.tie)), state_.steps_done, {}};
  if (session_.chain) {
    const auto links = session_.chain->links();
    for (std::size_t i = 0; i < links.size(); ++i) {
      const bool is_live = i >= static_cast<std::size_t>(state_.tied_links);
      const auto path = folder_.link(static_cast<std::int64_t>(i) + 1);
      const LoraModule& module = links[i]->modules.front();
      const bool inherited = i < session_.tied_origins.size();
      manifest.links.push_back({module.rank(), module.alpha, inherited ? session_.tied_origins[i] : "trained",
                                is_live ? std::nullopt : tied_at_[i]});
      // A tied link never changes again; only its first writing matters.
      const bool tied_just_now = i + 1 == static_cast<std::size_t>(state_.tied_links);
      if (is_live || tied_just_now || !std::filesystem::exists(path)) {
        write_folder(path, [&](const auto& temporary) { write_adapter(temporary, *links[i], base); });
      }
    }
  }
  write_manifest(folder_, manifest);
}

void Trainer::write_state_folder(const std::filesystem::path& folder, const char* what) {
  if (!writes()) return;
  write_folder(folder, [&](const std::filesystem::path& temporary) {
    if (session_.chain) {
      write_adapter(temporary, session_.chain->as_one(), session_.options.model.string());
    } else {
      write_huggingface_folder(
          temporary, session_.options.model, session_.model->weights(), std::nullopt, default_max_shard_bytes,
          [](const Parameter& parameter, std::span<float> values) {
            parameter.memory->download(std::as_bytes(parameter.master.floats()).data(),
                                       std::as_writable_bytes(values).data(), values.size_bytes());
          });
    }
    const Json state{{"state", what},
                     {"steps_done", state_.steps_done},
                     {"links", link_number()},
                     {"dev_loss", state_.dev_loss ? Json(*state_.dev_loss) : Json(nullptr)}};
    write_text_file(temporary / "cola_state.json", state.dump(2) + "\n");
  });
}

}  // namespace cola
