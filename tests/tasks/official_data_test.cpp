// The official files and real tokenizers, where the machine has them: sizes and token counts as measured
// apart from this program (MeZO's code and Hugging Face's tokenizers).
#include <algorithm>
#include <map>
#include <memory>

#include "tasks/task_fixture.h"
#include "tasks/task_sequences.h"
#include "text/tokenizer.h"

namespace cola {
namespace {

struct OptionTokens {
  std::int64_t least, most;
  bool operator==(const OptionTokens&) const = default;
};

void PrintTo(const OptionTokens& tokens, std::ostream* out) { *out << tokens.least << "-" << tokens.most; }

class OfficialData : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::test_data()) GTEST_SKIP() << "COLA_TEST_DATA names no folder";
    root_ = *test::test_data();
  }

  [[nodiscard]] std::vector<TaskItem> read(const std::string& name, TaskSplit split) const {
    const Task task = find_task(name);
    return task.read(root_ / "data" / task.folder, split);
  }
  /// Both splits; DROP's dev file is not there, a part of its training file is.
  [[nodiscard]] std::vector<TaskItem> read_all(const std::string& name) const {
    std::vector<TaskItem> items = read(name, TaskSplit::train);
    const Task task = find_task(name);
    std::filesystem::path folder = root_ / "data" / task.folder;
    const test::TemporaryFolder other;
    if (name == "drop") {
      std::filesystem::create_symlink(folder / "heldout_from_train.json", other / "drop_dataset_dev.json");
      folder = other.path();
    }
    for (TaskItem& item : task.read(folder, TaskSplit::validation)) items.push_back(std::move(item));
    return items;
  }

  /// Fewest and most option tokens over all candidates; of generation, of the gold answer.
  [[nodiscard]] static OptionTokens option_tokens(const std::vector<TaskItem>& items, const Task& task,
                                                  const Tokenizer& tokenizer, std::int32_t bos) {
    const TaskEncoding encoding{&tokenizer, bos, task_max_length(task, 2048)};
    OptionTokens result{1 << 20, 0};
    const auto count = [&](const Example& example) {
      result.least = std::min(result.least, example.loss_tokens());
      result.most = std::max(result.most, example.loss_tokens());
    };
    for (const TaskItem& item : items) {
      if (item.candidates.empty()) {
        count(encode_answered(item, encoding));
      } else {
        for (const Example& candidate : encode_question(item, {}, encoding).candidates) count(candidate);
      }
    }
    return result;
  }

  [[nodiscard]] static double mean_length(const std::vector<TaskItem>& items, const Tokenizer& tokenizer,
                                          std::int32_t bos) {
    const TaskEncoding encoding{&tokenizer, bos, 2048};
    double sum = 0.0;
    for (const TaskItem& item : items) sum += static_cast<double>(encode_answered(item, encoding).ids.size());
    return sum / static_cast<double>(items.size());
  }

  std::filesystem::path root_;
};

TEST_F(OfficialData, SizesOfTheCompleteTasks) {
  const std::map<std::string, std::pair<std::size_t, std::size_t>> sizes{
      {"sst2", {67349, 872}}, {"rte", {2490, 277}}, {"cb", {250, 56}},         {"wsc", {554, 104}},
      {"wic", {5428, 638}},   {"copa", {400, 100}}, {"multirc", {27243, 4848}}};
  for (const auto& [name, size] : sizes) {
    EXPECT_EQ(read(name, TaskSplit::train).size(), size.first) << name;
    EXPECT_EQ(read(name, TaskSplit::validation).size(), size.second) << name;
  }
  EXPECT_EQ(read("boolq", TaskSplit::validation).size(), 3270U);
}

TEST_F(OfficialData, PartsOfTheOthers) {
  EXPECT_EQ(read("boolq", TaskSplit::train).size(), 1886U);
  EXPECT_EQ(read("record", TaskSplit::train).size(), 75U);
  EXPECT_EQ(read("record", TaskSplit::validation).size(), 133U);
  EXPECT_EQ(read("squad", TaskSplit::train).size(), 9721U);
  EXPECT_EQ(read("squad", TaskSplit::validation).size(), 6348U);
  EXPECT_EQ(read("drop", TaskSplit::train).size(), 2253U);  // of 2254 one has no answer
}

TEST_F(OfficialData, RecordCandidates) {  // 208 queries: 11.3 candidates on average, at most 25
  std::size_t sum = 0;
  std::size_t most = 0;
  const auto items = read_all("record");
  for (const TaskItem& item : items) {
    EXPECT_FALSE(item.correct.empty()) << item.id;
    sum += item.candidates.size();
    most = std::max(most, item.candidates.size());
  }
  EXPECT_EQ(items.size(), 208U);
  EXPECT_NEAR(static_cast<double>(sum) / 208.0, 11.3, 0.05);
  EXPECT_EQ(most, 25U);
}

TEST_F(OfficialData, SuperglueBoolqIsGooglesWithoutTitles) {
  const test::TemporaryFolder folder;
  const std::filesystem::path data = root_ / "data" / "BoolQ";
  std::filesystem::create_symlink(data / "superglue_val_first1500.jsonl", folder / "val.jsonl");
  const Task task = find_task("boolq");
  const auto superglue = task.read(folder.path(), TaskSplit::validation);
  const auto google = task.read(data, TaskSplit::validation);
  ASSERT_EQ(superglue.size(), 1500U);
  for (std::size_t i = 0; i < superglue.size(); ++i) {
    EXPECT_EQ(superglue[i].prompt, google[i].prompt) << i;
    EXPECT_EQ(superglue[i].correct, google[i].correct) << i;
  }
}

TEST_F(OfficialData, WscSpansAreInTheText) {
  for (const TaskSplit split : {TaskSplit::train, TaskSplit::validation}) {
    for (const TaskItem& item : read("wsc", split)) {
      const std::size_t refer = item.prompt.find(" refer to ") + 10;
      const std::string span = item.prompt.substr(refer, item.prompt.rfind("? Yes or No?") - refer);
      if (span.starts_with("Kamenev")) continue;
      EXPECT_LT(item.prompt.find(span), item.prompt.find("\nIn the previous sentence")) << item.prompt;
    }
  }
}

// Over all candidates of both splits; OPT, then Llama-2.
struct ExpectedTokens {
  const char* task;
  OptionTokens opt, llama;
};
constexpr ExpectedTokens expected_tokens[] = {
    {"sst2", {1, 1}, {1, 1}},    {"rte", {1, 1}, {1, 1}},    {"cb", {1, 1}, {1, 1}},
    {"boolq", {1, 1}, {1, 1}},   {"wsc", {1, 1}, {1, 1}},    {"wic", {1, 1}, {1, 1}},
    {"multirc", {1, 1}, {1, 1}}, {"copa", {3, 13}, {3, 16}}, {"drop", {2, 21}, {2, 27}}};
// Measured on samples of candidates and of questions, of which all may have longer ones.
constexpr ExpectedTokens sampled_tokens[] = {{"record", {10, 57}, {11, 65}}, {"squad", {2, 28}, {2, 31}}};

/// At most some `most` items, spread evenly.
std::vector<TaskItem> spread(std::vector<TaskItem> items, std::size_t most) {
  const std::size_t step = items.size() / most + 1;
  std::vector<TaskItem> result;
  for (std::size_t i = 0; i < items.size(); i += step) result.push_back(std::move(items[i]));
  return result;
}

TEST_F(OfficialData, OptionTokenCounts) {
  const auto opt = open_tokenizer(root_ / "tokenizers" / "opt");
  const auto llama = open_tokenizer(root_ / "tokenizers" / "llama2");
  for (const auto& [name, opt_tokens, llama_tokens] : expected_tokens) {
    const auto items = spread(read_all(name), opt_tokens.most == 1 ? 500 : 5000);
    EXPECT_EQ(option_tokens(items, find_task(name), *opt, 0), opt_tokens) << name;
    EXPECT_EQ(option_tokens(items, find_task(name), *llama, 1), llama_tokens) << name;
  }
  for (const auto& [name, opt_tokens, llama_tokens] : sampled_tokens) {
    const auto items = spread(read_all(name), 4000);
    const OptionTokens of_opt = option_tokens(items, find_task(name), *opt, 0);
    EXPECT_EQ(of_opt.least, opt_tokens.least) << name;
    EXPECT_GE(of_opt.most, opt_tokens.most) << name;
    const OptionTokens of_llama = option_tokens(items, find_task(name), *llama, 1);
    EXPECT_EQ(of_llama.least, llama_tokens.least) << name;
    EXPECT_GE(of_llama.most, llama_tokens.most) << name;
  }
}

// Whole lengths with BOS, over train.
TEST_F(OfficialData, MeanLengths) {
  const auto opt = open_tokenizer(root_ / "tokenizers" / "opt");
  const auto llama = open_tokenizer(root_ / "tokenizers" / "llama2");
  const std::map<std::string, std::pair<double, double>> expected{
      {"cb", {96, 103}}, {"wsc", {51, 55}}, {"wic", {42, 44}}, {"rte", {84, 98}}, {"copa", {15, 17}}};
  for (const auto& [name, means] : expected) {
    const auto items = read(name, TaskSplit::train);
    // The means are known as whole numbers: 2 %, and their rounding.
    EXPECT_NEAR(mean_length(items, *opt, 0), means.first, 0.02 * means.first + 0.5) << name;
    EXPECT_NEAR(mean_length(items, *llama, 1), means.second, 0.02 * means.second + 0.5) << name;
  }
}

// The ids of the words after a newline or a space, as MeZO's tokenizers give them.
TEST_F(OfficialData, AnswerIds) {
  const auto answer = [&](const std::string& name, const Tokenizer& tokenizer) {
    std::vector<std::int32_t> ids;
    const auto items = read(name, TaskSplit::validation);
    for (const Example& candidate : encode_question(items[0], {}, {&tokenizer, 0, 2048}).candidates) {
      ids.push_back(candidate.ids.back());
    }
    return ids;
  };
  const auto opt = open_tokenizer(root_ / "tokenizers" / "opt");
  EXPECT_EQ(answer("cb", *opt), (std::vector<std::int32_t>{9904, 3084, 14541}));
  EXPECT_EQ(answer("sst2", *opt), (std::vector<std::int32_t>{6587, 372}));
  const auto llama = open_tokenizer(root_ / "tokenizers" / "llama2");
  EXPECT_EQ(answer("rte", *llama)[0], 8241);
  const Example squad = encode_answered(read("squad", TaskSplit::validation)[0], {opt.get(), 0, 1998});
  EXPECT_EQ(squad.labels.back(), 50118);
}

}  // namespace
}  // namespace cola
