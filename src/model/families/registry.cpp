// The families that there are. A new one is a file beside this one, and its name twice here.
#include <algorithm>
#include <array>

#include "model/family.h"

namespace cola {
namespace families {

extern const Family opt, llama, mistral, qwen2, qwen3, smollm3, gemma2, gemma3_text, gemma3, phi3, granite,
    olmo2;

}  // namespace families

std::span<const Family* const> all_families() {
  static constexpr std::array all{&families::opt,    &families::llama,       &families::mistral,
                                  &families::qwen2,  &families::qwen3,       &families::smollm3,
                                  &families::gemma2, &families::gemma3_text, &families::gemma3,
                                  &families::phi3,   &families::granite,     &families::olmo2};
  return all;
}

const Family* find_family(std::string_view model_type, std::string_view architecture) {
  const auto all = all_families();
  const auto found = std::ranges::find_if(all, [&](const Family* family) {
    return model_type.empty() ? family->architecture == architecture : family->model_type == model_type;
  });
  return found == all.end() ? nullptr : *found;
}

}  // namespace cola
