#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/family.h"

// What the families' files have in common.
namespace cola {

inline constexpr std::int64_t max_width = 1 << 20;
inline constexpr std::int64_t max_rows = 1 << 24;

/// These read one key of config.json each, and throw Error where it is out of range.
[[nodiscard]] std::int64_t positive(const JsonReader& reader, const std::string& key, std::int64_t limit);
[[nodiscard]] std::int64_t positive(const JsonReader& reader, const std::string& key, std::int64_t limit,
                                    std::int64_t fallback);
[[nodiscard]] double positive_number(const JsonReader& reader, const std::string& key, double fallback);
[[nodiscard]] double dropout_probability(const JsonReader& reader, const std::string& key, double fallback);

/// Vocabulary, width, positions, attention's dropout, the padding row, blocks and heads, which all families
/// call the same; `pad_token_id`: where the key is absent, -1 for none. What else the blocks have is still to
/// be read.
[[nodiscard]] DecoderSpec read_common(const JsonReader& reader, std::int64_t pad_token_id);
/// 1 / sqrt(head_dim).
[[nodiscard]] float default_score_scale(std::int64_t head_dim);
/// Throws Error unless the width is a multiple of the number of heads.
void require_divisible(const JsonReader& reader, std::int64_t hidden_size, std::int64_t heads);
/// Throws Error for another activation than the only one that `family` has.
void require_activation(const JsonReader& reader, const std::string& key, const std::string& only,
                        const std::string& family);

/// Collects parameter_specs().
class ParameterList {
 public:
  /// Names of what follows begin with `prefix` and a dot, if it is not empty; it belongs to `block`.
  void begin(std::string prefix, std::int64_t block = -1);
  /// NAME.weight [out, in], and NAME.bias [out].
  void linear(ParameterRole role, const std::string& name, std::int64_t out, std::int64_t in,
              bool bias = false);
  /// NAME.weight [width], and NAME.bias [width].
  void norm(ParameterRole role, const std::string& name, std::int64_t width, bool bias = false);

  [[nodiscard]] std::vector<ParameterSpec> take() { return std::move(specs_); }

 private:
  void add(ParameterRole role, const std::string& name, std::vector<std::int64_t> shape, bool bias);

  std::vector<ParameterSpec> specs_;
  std::string prefix_;
  std::int64_t block_ = -1;
};

}  // namespace cola
