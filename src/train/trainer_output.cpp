// What a run leaves beside its log and checkpoints: links/, chain.json, best/, last/.
#include <fmt/format.h>

#include <algorithm>

#include "io/files.h"
#include "lora/peft_format.h"
#include "text/chat/files.h"
#include "train/trainer.h"

namespace cola {

void Trainer::write_links_and_manifest() {
  if (!writes()) return;
  const auto& chat = session_.data.chat;
  if (chat) write_chat_files(folder_.root, *chat);
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
        write_folder(path, [&](const auto& temporary) {
          write_adapter(temporary, *links[i], base);
          if (chat) write_chat_files(temporary, *chat);
        });
      }
    }
  }
  write_manifest(folder_, manifest);
}

void Trainer::write_state_folder(const std::filesystem::path& folder, const char* what) {
  if (!writes()) return;
  write_folder(folder, [&](const std::filesystem::path& temporary) {
    if (session_.chain) {
      write_adapter(temporary, with_one_rank(session_.chain->as_one()), session_.options.model.string());
    } else {
      rounding_error_ = write_trained_weights(temporary, session_.options.model, session_.model->weights(),
                                              session_.saved_dtype);
    }
    if (session_.data.chat) write_chat_files(temporary, *session_.data.chat);
    Json state{{"state", what},
               {"steps_done", state_.steps_done},
               {"links", link_number()},
               {"dev_loss", state_.dev_loss ? Json(*state_.dev_loss) : Json(nullptr)}};
    if (rounding_error_) state["relative_rounding_error"] = *rounding_error_;
    write_text_file(temporary / "cola_state.json", state.dump(2) + "\n");
  });
  if (rounding_error_.value_or(0.0) > 0.0) {
    progress_.note(
        fmt::format("{}/: rounding to {} changed the weights by {:.3g} of what training did; "
                    "--save-dtype f32 keeps it",
                    what, name_of(session_.saved_dtype.most), *rounding_error_));
  }
}

}  // namespace cola
