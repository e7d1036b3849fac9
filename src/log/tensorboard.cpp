#include "log/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <fstream>
#include <optional>
#include <vector>

#include "core/error.h"
#include "io/files.h"
#include "log/run_log.h"

namespace cola {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view file_prefix = "events.out.tfevents.";

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder >> 1U) ^ ((remainder & 1U) != 0 ? 0x82F63B78U : 0U);
    table.at(byte) = remainder;
  }
  return table;
}
constexpr auto crc_table = make_crc_table();

/// TFRecord's way of keeping a CRC of data that hold CRCs themselves apart from them.
std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U; }

template <class Unsigned>
void append_little_endian(std::string& text, Unsigned value) {
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) text += static_cast<char>((value >> (8 * i)) & 0xFFU);
}

void append_varint(std::string& text, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) text += static_cast<char>((value & 0x7FU) | 0x80U);
  text += static_cast<char>(value);
}

// Protocol buffers: a field begins with its number and one of these.
constexpr std::uint64_t varint = 0, eight_bytes = 1, length_delimited = 2, four_bytes = 5;

void append_key(std::string& text, std::uint64_t field, std::uint64_t wire_type) {
  append_varint(text, field << 3U | wire_type);
}

void append_bytes(std::string& text, std::uint64_t field, std::string_view bytes) {
  append_key(text, field, length_delimited);
  append_varint(text, bytes.size());
  text += bytes;
}

std::string event_at(double wall_time) {
  std::string event;
  append_key(event, 1, eight_bytes);
  append_little_endian(event, std::bit_cast<std::uint64_t>(wall_time));
  return event;
}

/// The event file that a run has, or the name of its first.
fs::path event_file(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with(file_prefix)) return entry.path();
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {'h', 'o', 's', 't'};
  return folder / fmt::format("{}{}.{}", file_prefix,
                              std::chrono::duration_cast<std::chrono::seconds>(now).count(), host.data());
}

/// The seconds since 1970 in an event file's name; 0 where there are none.
double time_in_name(const fs::path& file) {
  const std::string name = file.filename().string();
  std::int64_t seconds = 0;
  std::from_chars(name.data() + file_prefix.size(), name.data() + name.size(), seconds);
  return static_cast<double>(seconds);
}

/// Of preference pairs, by TRL's names.
struct PreferenceScalar {
  const char* key;
  std::string_view train_tag, dev_tag;
};
constexpr std::array preference_scalars{
    PreferenceScalar{"rewards_chosen", "train/rewards/chosen", "dev/rewards/chosen"},
    PreferenceScalar{"rewards_rejected", "train/rewards/rejected", "dev/rewards/rejected"},
    PreferenceScalar{"rewards_margin", "train/rewards/margins", "dev/rewards/margins"},
    PreferenceScalar{"rewards_accuracy", "train/rewards/accuracies", "dev/rewards/accuracies"},
    PreferenceScalar{"logps_chosen", "train/logps/chosen", "dev/logps/chosen"},
    PreferenceScalar{"logps_rejected", "train/logps/rejected", "dev/logps/rejected"},
};

/// Everything that the log says, as the bytes of an event file.
std::string events_of(const fs::path& log, double start) {
  std::string bytes = tfrecord(tensorboard_version_event(start));
  double seconds = 0.0;
  for (const Json& line : read_run_log(log)) {
    const JsonReader event(line, log.string());
    const std::string kind = event.string("event", "");
    const bool is_step = kind == "step";
    if (!is_step && kind != "eval") continue;
    seconds += event.number("seconds", 0.0);
    std::vector<TensorBoardScalar> scalars;
    const auto add = [&](std::string_view tag, const char* key) {
      if (event.has(key)) scalars.push_back({tag, event.number(key)});
    };
    if (is_step) {
      add("train/loss", "loss");
      add("train/lr", "lr");
      add("train/grad_norm", "grad_norm");
    } else {
      add("dev/loss", "dev_loss");
      add("dev/score", "dev_score");
    }
    for (const PreferenceScalar& scalar : preference_scalars)
      add(is_step ? scalar.train_tag : scalar.dev_tag, scalar.key);
    bytes += tfrecord(tensorboard_event(start + seconds, event.integer("step"), scalars));
  }
  return bytes;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes)
    crc = crc_table.at((crc ^ static_cast<unsigned char>(byte)) & 0xFFU) ^ (crc >> 8U);
  return ~crc;
}

std::string tfrecord(std::string_view data) {
  std::string record;
  append_little_endian(record, static_cast<std::uint64_t>(data.size()));
  append_little_endian(record, masked(crc32c(record)));
  record += data;
  append_little_endian(record, masked(crc32c(data)));
  return record;
}

std::string tensorboard_version_event(double wall_time) {
  std::string event = event_at(wall_time);
  append_bytes(event, 3, "brain.Event:2");
  return event;
}

std::string tensorboard_event(double wall_time, std::int64_t step,
                              std::span<const TensorBoardScalar> scalars) {
  std::string summary;
  for (const TensorBoardScalar& scalar : scalars) {
    std::string value;
    append_bytes(value, 1, scalar.tag);
    append_key(value, 2, four_bytes);
    append_little_endian(value, std::bit_cast<std::uint32_t>(static_cast<float>(scalar.value)));
    append_bytes(summary, 1, value);
  }
  std::string event = event_at(wall_time);
  append_key(event, 2, varint);
  append_varint(event, static_cast<std::uint64_t>(step));
  append_bytes(event, 5, summary);
  return event;
}

void update_tensorboard(const fs::path& run) {
  const fs::path folder = run / "tensorboard";
  require_writable_folder(folder);
  remove_leftovers(folder);
  const fs::path file = event_file(folder);
  const std::string bytes = events_of(run / "log.jsonl", time_in_name(file));
  const std::string before = fs::exists(file) ? read_text_file(file) : "";
  if (before.empty() || !bytes.starts_with(before)) return write_text_file(file, bytes);
  // In place, so that a TensorBoard that has the file open sees what is new.
  std::ofstream stream(file, std::ios::binary | std::ios::app);
  stream << std::string_view(bytes).substr(before.size()) << std::flush;
  if (!stream) throw Error(file.string() + ": cannot write");
}

}  // namespace cola
