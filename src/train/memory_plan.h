#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dist/ranks.h"
#include "model/decoder_spec.h"
#include "train/run_plan.h"

namespace cola {

/// Bytes that a process of a run needs at its peak, of the memory that it computes in, estimated before its
/// weights are loaded.
struct MemoryPlan {
  std::int64_t weights = 0;  ///< base weights: memory-mapped in place, or converted
  std::int64_t merged = 0;   ///< target modules' merged copies (--tie merge)
  std::int64_t trained = 0;  ///< trained tensors, gradients, optimizer state; tied links; one to be saved;
                             ///< what several processes add gradients up in
  std::int64_t activations = 0;  ///< kept for the backward, scratch, the head's rows and chunk of logits, the
                                 ///< rotary table
  std::int64_t program = 0;      ///< the program itself, its tokenizer and data
  std::int64_t offloaded = 0;    ///< beside these: the blocks' weights in the host's memory (--offload-base)

  [[nodiscard]] std::int64_t total() const { return weights + merged + trained + activations + program; }
  [[nodiscard]] std::string summary() const;  ///< one line
};

/// What the plan depends on beside the model's shape.
struct MemoryPlanInput {
  RunPlan run;
  DType compute_dtype = DType::f32;
  DType file_dtype = DType::f32;
  DType saved_dtype = DType::f32;                 ///< with full
  std::optional<std::int64_t> quantized_weights;  ///< bytes of base weights of which some are quantised
  std::int64_t expansion_bytes = 0;               ///< in which products expand parts of these
  bool packed_weights = false;                    ///< see ops::Backend::prefers_packed
  std::vector<std::size_t> targets;  ///< indices into linear_names(); all weights are trained with full
  std::int64_t tied_links = 0;       ///< tied before step 1
  std::int64_t batch_tokens = 0;     ///< of the largest batch that is computed at a time
  std::int64_t batch_loss_tokens = 0;
  std::int64_t evaluation_tokens = 0;  ///< in a batch of the dev set; 0 without
  const Ranks* ranks = nullptr;        ///< null: one process
  std::int64_t processes = 1;          ///< of the run on this machine
  std::int64_t positions = 0;          ///< of the longest sequence
  bool activation_checkpointing = false;
  bool hidden_dropout = false, lora_dropout = false;
  std::int64_t resident_bytes = 0;  ///< of the process, its data loaded and its weights not
  std::int64_t logits_chunk_bytes = std::int64_t{16} << 20;  ///< see ops::Backend
  bool in_device_memory = false;  ///< what is planned lies in a device's memory, the program in the host's
  bool offload_base = false;      ///< but for the frozen weights of the blocks

  /// Whether weights are used where they lie in the file.
  [[nodiscard]] bool in_place() const {
    return file_dtype == compute_dtype && !packed_weights && !in_device_memory && !quantized_weights;
  }
};
[[nodiscard]] MemoryPlan plan_memory(const DecoderSpec& spec, const MemoryPlanInput& input);

/// Throws Error, saying what would fit, if the plan exceeds the memory that is available, in bytes: times the
/// processes on this machine in the host's memory, where they share weights that are used in place.
void require_memory(const DecoderSpec& spec, const MemoryPlanInput& input, const MemoryPlan& plan,
                    std::int64_t available);

/// Throws Error if what the processes on this machine offload exceeds the host's memory that is available.
void require_host_memory(const MemoryPlanInput& input, const MemoryPlan& plan, std::int64_t available);

}  // namespace cola
