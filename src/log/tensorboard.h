#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace cola {

/// CRC-32C (Castagnoli polynomial, reflected), as TFRecord files use it.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes);

/// One record of a TFRecord file: length (u64), masked CRC of the length, data, masked CRC of the data; all
/// little-endian.
[[nodiscard]] std::string tfrecord(std::string_view data);

struct TensorBoardScalar {
  std::string_view tag;
  double value = 0.0;  ///< stored as f32
};

/// Event message (tensorflow/core/util/event.proto) with a summary of scalars.
[[nodiscard]] std::string tensorboard_event(double wall_time, std::int64_t step,
                                            std::span<const TensorBoardScalar> scalars);
/// The first event of a file: file_version "brain.Event:2".
[[nodiscard]] std::string tensorboard_version_event(double wall_time);

/// Brings the event file of RUN/tensorboard up to date with RUN/log.jsonl: scalars train/loss, train/lr,
/// train/grad_norm, dev/loss and dev/score, of preference pairs also train/rewards/... and dev/rewards/.... A
/// file that is there is appended to where it is a beginning of what the log says, and otherwise (the run was
/// resumed from an earlier step) replaced: no step is in it twice. Wall times are those of the file's name
/// plus the seconds that the log counts. Throws Error if either cannot be read or written.
void update_tensorboard(const std::filesystem::path& run);

}  // namespace cola
