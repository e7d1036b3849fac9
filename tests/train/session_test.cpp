#include "train/session.h"

#include <gtest/gtest.h>

#include <fstream>

#include "backend/backend.h"
#include "dist/ranks.h"
#include "support/files.h"

namespace cola {
namespace {

/// A rank that began after rank 0, which has another time.
class LateRank final : public Ranks {
 public:
  static constexpr const char* first_date = "2026-03-09T14:05:06";

  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  void sum(std::span<double> /*figures*/, std::span<const std::span<float>> /*tensors*/) override {}
  [[nodiscard]] std::int64_t sum_bytes(std::int64_t /*elements*/) const override { return 0; }
  [[nodiscard]] std::vector<std::string> gather(const std::string& own) override {
    const bool is_date = own.size() == std::string_view(first_date).size() && own[10] == 'T';
    return {is_date ? first_date : own};
  }
  [[nodiscard]] bool all_have_failed() override { return true; }
  [[noreturn]] void abort(int exit_status) override { std::_Exit(exit_status); }
};

TEST(Session, AllRanksRenderWithTheDateOfTheFirst) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "t.jinja")
      << "{{ strftime_now('%d') }}{% for m in messages %}{{ m.content }}{% endfor %}";
  std::ofstream(folder / "chats.jsonl")
      << R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})";
  TrainOptions options;
  options.model = test::test_files() / "cases" / "chat-with-end-of-turn" / "model";
  options.train = {folder / "chats.jsonl"};
  options.chat_template = folder / "t.jinja";
  options.out = folder / "run";
  options.method = "lora";
  options.train_on_prompt = true;
  LateRank ranks;
  const TrainingSession session = open_session(options, ops::open_backend("cpu"), ranks);
  EXPECT_EQ(session.data.chat_date, LateRank::first_date);
  options.chat_template_date = "2026-04-01T00:00:00";
  EXPECT_EQ(open_session(options, ops::open_backend("cpu"), ranks).data.chat_date, "2026-04-01T00:00:00");
}

}  // namespace
}  // namespace cola
