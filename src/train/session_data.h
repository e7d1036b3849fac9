#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cola/train.h"
#include "model/decoder_spec.h"
#include "tasks/task.h"
#include "tasks/task_sequences.h"
#include "text/chat/files.h"
#include "text/tokenizer.h"
#include "train/training_data.h"

namespace cola {

/// What is evaluated while training: sequences for the language-model loss, and with a task its examples.
struct DevSet {
  Dataset sequences;            ///< empty with a task trained by its candidates, and with pairs
  std::vector<TaskItem> items;  ///< of a task, scored
  PreferenceSet pairs;
  std::vector<AnswerLogProbabilities> references;  ///< by pair; see PreferenceTraining

  [[nodiscard]] std::string summary() const;        ///< one line
  [[nodiscard]] std::string digest() const;         ///< tells edited data; "" of none
  [[nodiscard]] std::string former_digest() const;  ///< see former_digest_of()
};

/// All data of a run, tokenised.
struct SessionData {
  std::unique_ptr<Tokenizer> tokenizer;  ///< null where data of ids needs none
  std::optional<Task> task;
  TaskEncoding encoding;  ///< of the task; refers to the tokenizer
  TrainingData train;
  std::optional<DevSet> dev;
  std::optional<ChatFiles> chat;  ///< where the training data has chats
  std::string chat_date;          ///< that their template may write; empty where it writes none
};

/// How data files are read.
struct ReadingMode {
  bool quiet = true;                    ///< no progress of long files
  std::filesystem::path token_cache{};  // NOLINT(readability-redundant-member-init). Empty: none
};

/// Reads --train and --dev, or --task; see read_dataset, find_task and encode_question for what it throws.
[[nodiscard]] SessionData load_session_data(const TrainOptions& options, const DecoderSpec& config,
                                            const ReadingMode& mode = {});

}  // namespace cola
