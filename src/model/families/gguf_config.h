#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/family.h"

// What the families' GGUF files have in common.
namespace cola {

/// The keys of one architecture in a GGUF file, read into a config.json. Numbers in f32 become the shortest
/// decimals that are them. Throws Error naming the key.
class GgufConfig {
 public:
  GgufConfig(const Family& family, const GgufFile& file, std::vector<std::string>& notes);

  /// Sizes, heads, norms, vocabulary, tied head, special tokens; biases where tensors are there; rotary
  /// tables but for Phi-3's.
  void read_common();
  /// rope_theta, and rope_scaling of rope.scaling.* or of `rope_freqs.weight` (Llama 3's).
  void read_rotary();

  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] std::int64_t count(std::string_view key);  ///< u32, which has to be there
  [[nodiscard]] std::optional<std::int64_t> find_count(std::string_view key);
  [[nodiscard]] std::optional<double> find_number(std::string_view key);  ///< f32
  [[nodiscard]] std::string text(std::string_view key, std::string_view fallback);
  [[nodiscard]] std::int64_t head_dim() const;
  /// Which layers slide: by `attention.sliding_window_pattern`, of a number or of a boolean for each layer,
  /// else all but each `period`-th, as llama.cpp takes it.
  [[nodiscard]] std::vector<bool> sliding_layers(std::int64_t period);

  /// Values of an f32 tensor; empty if there is none.
  [[nodiscard]] std::vector<float> tensor(const std::string& name) const;
  [[nodiscard]] bool has_tensor(std::string_view end) const;  ///< one whose name ends so

  void note(const std::string& text);
  [[noreturn]] void refuse(std::string_view key, const std::string& why) const;

  /// The configuration; says which of the architecture's keys were not read.
  [[nodiscard]] Json take();

  Json json = Json::object();

 private:
  [[nodiscard]] std::string full(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> find_count_or_list(std::string_view key);
  void read_special_tokens();
  void read_sizes();
  void read_scaling();

  const GgufFile& file_;
  std::string_view architecture_;
  std::vector<std::string>& notes_;
  std::set<std::string, std::less<>> read_;
};

/// GgufFamily::config of families whose keys are all among the common ones.
[[nodiscard]] Json common_gguf_config(const Family& family, const GgufFile& file,
                                      std::vector<std::string>& notes);

/// The shortest decimal that is this f32.
[[nodiscard]] double shortest(float value);

/// config.json's "layer_types".
[[nodiscard]] Json layer_types(const std::vector<bool>& sliding);

}  // namespace cola
