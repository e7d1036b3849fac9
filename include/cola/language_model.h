#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cola/preference.h"
#include "cola/record_fields.h"

namespace cola {

/// Which model: a Hugging Face folder, and what is applied to it. Adapters and a run exclude each other.
struct ModelSource {
  std::filesystem::path model;                  ///< may be empty with `run`: the run's own base model
  std::vector<std::filesystem::path> adapters;  ///< PEFT folders, applied in order
  std::filesystem::path run;                    ///< run folder of `cola train`
  std::string state;                            ///< "best" or "last"; empty: best where there is one
  std::optional<std::int64_t> up_to_link;       ///< only links 1 .. N of the run
  std::string dtype = "auto";                   ///< f32, bf16, auto
  std::string device = "auto";                  ///< cpu, cuda, cuda:N; auto: cuda where there is one
  std::string base_dtype = "keep";              ///< as in TrainOptions, and the next
  std::string quantize_base;
  bool offload_base = false;        ///< a GPU's weights of the blocks stay in the host's memory
  std::filesystem::path tokenizer;  ///< folder; empty: the model's
  int threads = 0;                  ///< 0: all cores
};

struct GenerateOptions {
  std::int64_t max_new_tokens = 128;
  double temperature = 0.0;  ///< 0: greedy
  double top_p = 1.0;
  std::uint64_t seed = 42;
  std::vector<std::string>
      stop;  ///< texts that end it, beside the model's end tokens; not part of the result
  std::function<bool()> interrupted{};  ///< asked after each token: whether to end
};

/// By what a chat becomes a prompt.
struct ChatTemplateOptions {
  std::string
      chat_template;  ///< a file in Jinja, or a name; empty: that of the run or adapters, else the model's
  std::string chat_template_kwargs;  ///< JSON object of variables for it; empty: none
  std::string chat_template_date;    ///< that it may print, as 2026-03-09T14:05:06; empty: the present
};

struct GenerateResult {
  std::string text;  ///< what follows the prompt
  std::int64_t tokens = 0;
  double tokens_per_second = 0.0;         ///< the prompt's pass included
  bool stopped_at_eos = false;            ///< EOS or the end of a chat's turn, not counted in `tokens`
  std::string stopped_at_text;            ///< which of `stop` ended it; empty if none did
  bool stopped_at_last_position = false;  ///< the model has no position for more
};

struct EvaluateOptions {
  std::int64_t max_length = 0;   ///< 0: the model's positions, at most 2048
  bool train_on_prompt = false;  ///< loss on prompts too
  bool no_eos = false;
  std::string chat_template;         ///< a file in Jinja, or a name; empty: the model's own
  std::string chat_template_kwargs;  ///< JSON object of variables for it; empty: none
  std::string chat_template_date;    ///< that it may print, as 2026-03-09T14:05:06; empty: the present
  RecordFields fields;
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< sequences, after each batch
  /// While the data file is read, before that: in words, and bytes of it, as stored; `total` 0: not known.
  std::function<void(const std::string& text, std::int64_t done, std::int64_t total)> reading;
  /// A folder in which tokenised data files are kept, to be taken from there the next time; empty: none.
  std::filesystem::path token_cache;
  std::function<void(const std::string& line)> note;  ///< what the user should know of that
};

struct EvaluateResult {
  double loss = 0.0;  ///< nats, mean over loss tokens
  double perplexity = 0.0;
  double token_accuracy = 0.0;
  std::int64_t loss_tokens = 0;
  std::int64_t sequences = 0;
  std::int64_t links = 0;    ///< applied to the base model
  std::string data_summary;  ///< one line: records, tokens, what was cut or skipped
};

/// What a model makes of preference pairs, beside its reference: means over the pairs.
struct PreferenceResult {
  double loss = 0.0;  ///< of the objective
  double reward_chosen = 0.0, reward_rejected = 0.0;
  double accuracy = 0.0;  ///< pairs whose chosen answer has the larger reward
  double log_probability_chosen = 0.0, log_probability_rejected = 0.0;  ///< of whole answers
  std::int64_t pairs = 0;
  std::int64_t links = 0;    ///< applied to the base model
  std::string data_summary;  ///< one line
};

/// A task to score: the paper's 11, or one of the user's own. Which examples: MeZO's split under data_seed.
struct TaskOptions {
  std::string task;                 ///< sst2 ... drop, or a TOML file (docs/add-a-task.md)
  std::filesystem::path task_data;  ///< the task's folder
  std::string split = "test";       ///< "test" or "dev"
  std::optional<std::int64_t> num_train, num_dev, num_test;  ///< of the split; the task's own by default
  std::uint64_t data_seed = 42;
  std::int64_t demonstrations = 0;  ///< in-context examples, drawn anew for each test example; 0: zero-shot
  std::optional<std::int32_t> bos_token_id;  ///< put before every text; the tokenizer's own by default
  std::int64_t max_length = 0;               ///< tokens; 0: the model's positions, at most 2048
  bool no_share_prefix = false;              ///< run every candidate whole
  std::function<void(std::int64_t done, std::int64_t total)> progress;
};

struct TaskPrediction {
  std::string id;          ///< of the example in its file
  std::string prediction;  ///< the chosen candidate's name, or the generated answer
  std::vector<std::string> gold;
  double score = 0.0;                ///< in [0, 1]
  std::vector<double> scores;        ///< of the candidates: mean log-probability of their tokens
  std::vector<std::int64_t> tokens;  ///< how many these are
};

struct TaskResult {
  std::string task;
  std::string metric;                   ///< the paper's: "accuracy" or "f1"
  double score = 0.0;                   ///< mean over the examples, in [0, 1]
  std::optional<std::int64_t> correct;  ///< with accuracy
  std::int64_t total = 0;
  double interval_low = 0.0, interval_high = 0.0;  ///< 95 %: Wilson for accuracy, bootstrap for F1
  /// What the data set's own script gives, by name, in [0, 1], where that is not `metric` alone
  /// (docs/metrics.md); without a value where the examples do not suffice.
  std::map<std::string, std::optional<double>> official;
  std::int64_t links = 0;
  std::vector<TaskPrediction> predictions;  ///< in the order of the split
};

/// A loaded model with its tokenizer: evaluates and generates on the CPU.
/// Every function throws cola::Error on failure.
class LanguageModel {
 public:
  explicit LanguageModel(const ModelSource& source);
  ~LanguageModel();
  LanguageModel(const LanguageModel&) = delete;
  LanguageModel& operator=(const LanguageModel&) = delete;
  LanguageModel(LanguageModel&&) noexcept;
  LanguageModel& operator=(LanguageModel&&) noexcept;

  /// Loss on a data file (forms: docs/formats.md).
  [[nodiscard]] EvaluateResult evaluate(const std::filesystem::path& data,
                                        const EvaluateOptions& options = {});

  /// The objective's loss on a file of preference pairs. The reference is the base model, without any link.
  [[nodiscard]] PreferenceResult evaluate_preferences(const std::filesystem::path& data,
                                                      const PreferenceOptions& preference,
                                                      const EvaluateOptions& options = {});

  /// Scores a task's examples.
  [[nodiscard]] TaskResult evaluate_task(const TaskOptions& options);

  /// Continues a prompt up to an end token: those of the model folder, and the end of turn of chats that it
  /// was trained on (of its run, adapters or chat template). `each_piece` is called with new text as it
  /// comes.
  [[nodiscard]] GenerateResult generate(std::string_view prompt, const GenerateOptions& options = {},
                                        const std::function<void(std::string_view)>& each_piece = {});

  /// Answers a chat, JSON as a line of data has it (docs/formats.md): {"messages", "tools", ...}, or the list
  /// of messages alone, of which the last is not the assistant's. Ends as `generate` does, and at the end of
  /// turn of the template.
  [[nodiscard]] GenerateResult answer(std::string_view chat, const ChatTemplateOptions& how = {},
                                      const GenerateOptions& options = {},
                                      const std::function<void(std::string_view)>& each_piece = {});

  /// One line where the tokenizer's files contradict each other, and which counts; else empty.
  [[nodiscard]] std::string tokenizer_remark() const;
  [[nodiscard]] std::int64_t link_count() const;
  /// Frobenius norm of the weight change that the applied links make, over all modules.
  [[nodiscard]] double delta_norm() const;
  /// What a user should be told of the files that were read, a line each: where they contradict each other.
  [[nodiscard]] const std::vector<std::string>& notes() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace cola
