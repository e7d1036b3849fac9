#include "log/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "io/files.h"
#include "support/files.h"

namespace cola {
namespace {

template <class T>
T take(std::string_view& bytes) {
  T value{};
  EXPECT_GE(bytes.size(), sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

/// CRC-32C bit by bit, written apart from the one under test, and masked.
std::uint32_t masked_crc(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? (crc >> 1U) ^ 0x82F63B78U : crc >> 1U;
  }
  crc = ~crc;
  return ((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U;
}

struct Event {
  double wall_time = 0.0;
  std::uint64_t step = 0;
  std::string version;
  std::map<std::string, float> scalars;
};

void read_summary(std::string_view summary, Event& event) {
  while (!summary.empty()) {
    EXPECT_EQ(take_varint(summary), 1U << 3U | 2U);
    const std::size_t size = take_varint(summary);
    std::string_view value = summary.substr(0, size);
    summary.remove_prefix(size);
    EXPECT_EQ(take_varint(value), 1U << 3U | 2U);
    const std::size_t length = take_varint(value);
    const std::string tag(value.substr(0, length));
    value.remove_prefix(length);
    EXPECT_EQ(take_varint(value), 2U << 3U | 5U);
    event.scalars[tag] = take<float>(value);
    EXPECT_TRUE(value.empty());
  }
}

Event read_event(std::string_view data) {
  Event event;
  while (!data.empty()) {
    const std::uint64_t key = take_varint(data);
    if (key == (1U << 3U | 1U)) {
      event.wall_time = take<double>(data);
    } else if (key == 2U << 3U) {
      event.step = take_varint(data);
    } else {
      const std::size_t length = take_varint(data);
      const std::string_view field = data.substr(0, length);
      data.remove_prefix(length);
      if (key == (3U << 3U | 2U)) {
        event.version = field;
      } else {
        EXPECT_EQ(key, 5U << 3U | 2U);
        read_summary(field, event);
      }
    }
  }
  return event;
}

std::vector<Event> read_events(std::string_view bytes) {
  std::vector<Event> events;
  while (!bytes.empty()) {
    const std::string_view length_bytes = bytes.substr(0, 8);
    const auto length = take<std::uint64_t>(bytes);
    EXPECT_EQ(take<std::uint32_t>(bytes), masked_crc(length_bytes));
    const std::string_view data = bytes.substr(0, length);
    bytes.remove_prefix(length);
    EXPECT_EQ(take<std::uint32_t>(bytes), masked_crc(data));
    events.push_back(read_event(data));
  }
  return events;
}

std::filesystem::path only_file(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  EXPECT_EQ(files.size(), 1U);
  return files.empty() ? folder : files.front();
}

constexpr const char* first_lines =
    R"({"event":"start","method":"lora","steps":3}
{"event":"eval","step":0,"dev_loss":4.5,"seconds":0.5}
{"event":"step","step":1,"loss":4.25,"lr":0.5,"grad_norm":2.0,"seconds":1.0}
)";
constexpr const char* second_step =
    R"({"event":"step","step":2,"loss":3.5,"lr":0.25,"grad_norm":null,"seconds":1.0}
{"event":"eval","step":2,"dev_loss":3.0,"dev_score":0.75,"seconds":0.5}
{"event":"checkpoint","step":2}
)";

TEST(TensorBoard, Crc32cOfTheCheckString) { EXPECT_EQ(crc32c("123456789"), 0xE3069283U); }

TEST(TensorBoard, EventsAreReadBack) {
  const test::TemporaryFolder run;
  write_text_file(run / "log.jsonl", std::string(first_lines) + second_step);
  update_tensorboard(run.path());
  const auto file = only_file(run / "tensorboard");
  EXPECT_TRUE(file.filename().string().starts_with("events.out.tfevents.")) << file;
  const auto events = read_events(read_text_file(file));
  ASSERT_EQ(events.size(), 5U);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_GT(events[0].wall_time, 1.6e9);  // seconds since 1970
  EXPECT_EQ(events[1].scalars, (std::map<std::string, float>{{"dev/loss", 4.5F}}));
  EXPECT_EQ(events[2].scalars, (std::map<std::string, float>{
                                   {"train/loss", 4.25F}, {"train/lr", 0.5F}, {"train/grad_norm", 2.0F}}));
  EXPECT_EQ(events[3].step, 2U);
  EXPECT_EQ(events[3].scalars.count("train/grad_norm"), 0U);
  EXPECT_EQ(events[4].scalars.at("dev/score"), 0.75F);
  EXPECT_EQ(events[4].wall_time - events[0].wall_time, 3.0);
}

TEST(TensorBoard, PreferencePairsHaveTrlsTags) {
  const test::TemporaryFolder run;
  write_text_file(run / "log.jsonl",
                  R"({"event":"step","step":1,"loss":0.5,"rewards_chosen":1.5,"rewards_rejected":-0.5,)"
                  R"("rewards_margin":2.0,"rewards_accuracy":0.75,"logps_chosen":-8.0,"logps_rejected":-9.0}
{"event":"eval","step":1,"dev_loss":0.25,"rewards_margin":3.0}
)");
  update_tensorboard(run.path());
  const auto events = read_events(read_text_file(only_file(run / "tensorboard")));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[1].scalars, (std::map<std::string, float>{{"train/loss", 0.5F},
                                                             {"train/rewards/chosen", 1.5F},
                                                             {"train/rewards/rejected", -0.5F},
                                                             {"train/rewards/margins", 2.0F},
                                                             {"train/rewards/accuracies", 0.75F},
                                                             {"train/logps/chosen", -8.0F},
                                                             {"train/logps/rejected", -9.0F}}));
  EXPECT_EQ(events[2].scalars,
            (std::map<std::string, float>{{"dev/loss", 0.25F}, {"dev/rewards/margins", 3.0F}}));
}

TEST(TensorBoard, GrowsInPlaceAndIsReplacedAfterAStepBack) {
  const test::TemporaryFolder run;
  const auto log = run / "log.jsonl";
  write_text_file(log, first_lines);
  update_tensorboard(run.path());
  const auto file = only_file(run / "tensorboard");
  const std::string before = read_text_file(file);
  write_text_file(log, std::string(first_lines) + second_step);
  update_tensorboard(run.path());
  EXPECT_EQ(only_file(run / "tensorboard"), file);
  const std::string after = read_text_file(file);
  EXPECT_TRUE(after.starts_with(before));
  EXPECT_EQ(read_events(after).size(), 5U);
  // Resumed from step 1, and another step 2 than before: in the file once.
  write_text_file(log, std::string(first_lines) +
                           R"({"event":"step","step":2,"loss":1.5,"lr":0.25,"seconds":1.0})" + "\n");
  update_tensorboard(run.path());
  const auto events = read_events(read_text_file(only_file(run / "tensorboard")));
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[3].scalars.at("train/loss"), 1.5F);
}

TEST(TensorBoard, StepsOfTwoBytes) {
  const auto events = read_events(tfrecord(tensorboard_event(1.5, 300, {})));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].step, 300U);
  EXPECT_EQ(events[0].wall_time, 1.5);
}

}  // namespace
}  // namespace cola
