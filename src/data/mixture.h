#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cola {

/// A file of --train, "FILE[:WEIGHT]".
struct WeightedFile {
  std::filesystem::path file;
  std::optional<double> weight;
};
/// A name that a file has as it stands is that file's, whatever follows a colon in it. Throws UsageError for
/// a weight that is not positive, or not finite.
[[nodiscard]] WeightedFile parse_weighted_file(const std::string& text);
/// Their weights, 1 where one has none; empty if none has one.
[[nodiscard]] std::vector<double> weights_of(std::span<const WeightedFile> files);

/// Which examples an epoch has, and in which order: a pure function of epoch and seed. The examples of
/// several files stand one after the other. Without weights an epoch has each once. With weights it has as
/// many, a file's share of them in proportion to its weight; a file's examples come in passes of their own
/// over it, which go on from epoch to epoch: none a second time before all have come.
class Mixture {
 public:
  /// One file, or files without weights.
  Mixture(std::int64_t examples);  // NOLINT(google-explicit-constructor): a number of examples is one
  /// As many weights, which are positive. Throws UsageError for a weight whose share is less than one example
  /// an epoch.
  Mixture(std::span<const std::int64_t> examples, std::span<const double> weights);

  [[nodiscard]] std::int64_t size() const { return size_; }  ///< examples of an epoch
  /// "an epoch has 7 of 20 and 21 of 8"; empty without weights.
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] std::vector<std::int64_t> order(std::int64_t epoch, bool shuffle, std::uint64_t seed) const;

 private:
  struct Part {
    std::int64_t begin;  ///< its first example's number
    std::int64_t examples;
    std::int64_t share;  ///< of an epoch
  };

  [[nodiscard]] std::vector<std::int64_t> share_of(std::size_t part, std::int64_t epoch, bool shuffle,
                                                   std::uint64_t seed) const;
  /// Part numbers, as often as their shares say, evenly spread.
  [[nodiscard]] std::vector<std::size_t> even_order() const;

  std::int64_t size_ = 0;
  std::vector<Part> parts_;  ///< empty without weights
};

}  // namespace cola
