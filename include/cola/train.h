#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cola/preference.h"
#include "cola/record_fields.h"

namespace cola {

inline constexpr std::int64_t default_lora_r = 8;
inline constexpr double default_lora_alpha = 16.0;

/// Everything that defines a training run: the options of `cola train`, by the same names and with the same
/// defaults (docs/command-line.md says what each means). Lists that are empty take the single value beside
/// them.
struct TrainOptions {
  std::filesystem::path model;  ///< Hugging Face folder
  /// Data files, each with ":WEIGHT" behind it where they are mixed by weight (docs/formats.md).
  std::vector<std::filesystem::path> train;
  std::filesystem::path dev;  ///< data file; empty: none
  double dev_fraction = 0.0;  ///< of `train`, held out; 0: none
  std::string task;  ///< in place of `train` and `dev`: sst2 ... drop, or a TOML file (docs/add-a-task.md)
  std::filesystem::path task_data;                 ///< the task's folder
  std::optional<std::int64_t> num_train, num_dev;  ///< examples of a task; the task's own, as the paper's
  std::optional<std::int32_t> bos_token_id;  ///< put before a task's texts; the tokenizer's own by default
  bool no_share_prefix = false;              ///< run every candidate of a task's question whole
  std::filesystem::path out;                 ///< run folder

  std::string method = "cola";  ///< cola, lora, full
  std::optional<std::int64_t> links;
  std::string knots;                           ///< "3ep", "120,240", "auto": where the loss stalls
  std::optional<std::int64_t> max_links;       ///< with knots auto: 4
  std::optional<std::int64_t> min_link_steps;  ///< with knots auto: an epoch
  std::optional<double> stall_threshold;       ///< with knots auto: 0.01
  std::optional<std::int64_t> lora_r;  ///< default_lora_r; of a link read from an adapter: the adapter's
  std::optional<double> lora_alpha;    ///< default_lora_alpha; likewise
  std::vector<std::int64_t> ranks;
  std::vector<double> alphas;
  std::vector<std::string> target_modules;  ///< empty: q_proj, v_proj
  std::string tie = "auto";                 ///< auto, merge, stack
  std::string link_init = "fresh";          ///< fresh, same
  std::string lr_at_knot = "continue";      ///< continue, restart
  bool freeze_a = false;
  bool use_rslora = false;         ///< scale alpha / sqrt(r) (Kalajdzievski, 2023)
  double loraplus_lr_ratio = 1.0;  ///< B's learning rate over A's (LoRA+, Hayou et al., 2024)
  std::string bias = "none";       ///< none, lora_only
  std::vector<std::filesystem::path> initial_link;
  std::vector<std::filesystem::path> tied_link;
  std::filesystem::path extend;  ///< a finished run whose whole chain is tied before step 1

  std::optional<double> learning_rate;  ///< 1e-4; with full 1e-5
  std::string lr_scheduler = "linear";  ///< linear, cosine, constant, each after the warm-up
  std::int64_t warmup_steps = 0;
  std::string optimizer = "adamw";
  double weight_decay = 0.0;
  bool decay_norms = false;  ///< weight decay on norms and biases too; else on matrices alone
  double momentum = 0.0;
  double max_grad_norm = 1.0;
  std::int64_t epochs = 5;
  std::optional<std::int64_t> max_steps;
  std::int64_t batch_size = 8;
  std::int64_t gradient_accumulation_steps = 1;
  /// Computed at a time; by default the whole batch, on the CPU with quantised weights at most 512 tokens.
  std::optional<std::int64_t> micro_batch_size;
  bool activation_checkpointing = false;  ///< the backward recomputes each block from its input
  bool no_shuffle = false;

  std::optional<std::int64_t> max_length;
  bool train_on_prompt = false;
  bool no_eos = false;
  std::string chat_template;         ///< a file in Jinja, or a name; empty: the model's own
  std::string chat_template_kwargs;  ///< JSON object of variables for it; empty: none
  std::string chat_template_date;  ///< that it may print, as 2026-03-09T14:05:06; empty: when the run starts
  RecordFields fields;
  PreferenceOptions preference;
  std::string dropout = "0";  ///< a probability, or "config"
  double lora_dropout = 0.0;
  std::uint64_t seed = 42;
  std::optional<std::uint64_t> data_seed;

  std::optional<std::int64_t> eval_steps;
  std::optional<std::int64_t> early_stopping_patience;
  std::optional<std::int64_t> save_steps;
  std::int64_t save_total_limit = 2;
  bool tensorboard = false;  ///< event files in RUN/tensorboard

  std::string dtype = "auto";
  std::string save_dtype =
      "auto";  ///< of full's best/ and last/: f32, bf16, f16; auto: as in the model's file
  std::string device = "auto";
  std::string base_dtype =
      "keep";                 ///< of quantised weights: keep, or bf16 or f32, to which they are expanded
  std::string quantize_base;  ///< q8_0, q4_0, q4_k: frozen matrices become quantised at load; empty: not
  bool offload_base = false;  ///< a GPU's frozen weights of the blocks stay in the host's memory
  int threads = 0;            ///< 0: all cores
  std::filesystem::path tokenizer;
};

/// Where time went: one kind of operation, or what lies outside all of them.
struct OpProfile {
  std::string op;
  std::int64_t calls = 0;
  double seconds = 0.0;
  double flops = 0.0;  ///< of matrix products
  double bytes = 0.0;  ///< read and written, each operand once
};

struct TrainResult {
  std::filesystem::path run;
  std::int64_t steps = 0;
  std::int64_t links = 0;
  double train_loss = 0.0;  ///< of the last step
  std::optional<double> dev_loss, best_dev_loss;
  std::optional<double> dev_score;                ///< of a task, in [0, 1]: accuracy or F1 on dev, last
  std::optional<double> best_dev_score;           ///< at the best dev loss
  std::optional<double> relative_rounding_error;  ///< of full's last/: of what training did, lost to rounding
  double seconds = 0.0;                           ///< training and evaluation, over all resumed parts
  std::int64_t tokens = 0;                        ///< trained on
  std::int64_t trained_parameters = 0;
  double hf_flos = 0.0, real_flops = 0.0;
  double hf_flos_saved = 0.0;      ///< against the first link's rank throughout
  std::int64_t planned_bytes = 0;  ///< the memory plan printed before the start
  std::int64_t peak_rss_bytes = 0;
  std::vector<OpProfile> profile;  ///< of this call, the most seconds first; empty unless asked for
};

/// What is of this call and not of the run.
struct TrainMode {
  bool resume = false;   ///< go on with the run in options.out
  bool quiet = false;    ///< no progress on standard error
  bool profile = false;  ///< fill TrainResult::profile
  /// A folder in which tokenised data files are kept, to be taken from there the next time; empty: none.
  std::filesystem::path token_cache{};  // NOLINT(readability-redundant-member-init): GCC warns without
};

/// Runs (or goes on with) the training that `options` describes and leaves a run folder. Throws cola::Error
/// (core/error.h) with what, where and what to do.
[[nodiscard]] TrainResult train(const TrainOptions& options, const TrainMode& mode = {});

}  // namespace cola
