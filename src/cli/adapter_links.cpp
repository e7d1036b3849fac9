#include "cli/adapter_links.h"

#include "cli/output.h"
#include "lora/adapter.h"
#include "model/base_model.h"
#include "model/base_tensors.h"

namespace cola {

std::vector<Link> links_of(std::span<const std::filesystem::path> folders,
                           const std::filesystem::path& model) {
  BaseModel base;
  BaseTensors tensors;
  const bool has_model = !model.empty() && std::filesystem::exists(model / "config.json");
  if (has_model) {
    base = open_base_model(model);
    tensors = base_tensors(base.config, *base.tensors);
  }
  std::vector<std::string> notes;
  std::vector<Link> links = read_adapters(folders, has_model ? &tensors : nullptr, notes);
  print_notes(notes);
  return links;
}

}  // namespace cola
