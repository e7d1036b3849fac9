// Why a run does not fit, and what would.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/system_memory.h"
#include "lora/target_modules.h"
#include "model/linear_names.h"
#include "train/memory_plan.h"

namespace cola {
namespace {

constexpr std::int64_t least_batch_tokens = 64;  // a batch that is still worth advising

/// Bytes that all processes on this machine have yet to take; each has a device of its own.
std::int64_t needed_bytes(const MemoryPlanInput& input, const MemoryPlan& plan) {
  if (input.in_device_memory) return plan.total();
  const std::int64_t one = plan.total() - input.resident_bytes;
  const std::int64_t shared = input.in_place() ? plan.weights : 0;
  return one + (input.processes - 1) * (one - shared);
}

/// A way to need less, by the option's name.
struct Remedy {
  const char* option;
  void (*apply)(MemoryPlanInput&);
};

std::vector<Remedy> remedies(const MemoryPlanInput& input) {
  std::vector<Remedy> list;
  if (!input.activation_checkpointing)
    list.push_back({"--activation-checkpointing", [](auto& plan) { plan.activation_checkpointing = true; }});
  if (input.batch_tokens > least_batch_tokens) {
    list.push_back({"a smaller --micro-batch-size or --max-length", [](auto& plan) {
                      for (auto* tokens :
                           {&plan.batch_tokens, &plan.batch_loss_tokens, &plan.evaluation_tokens})
                        *tokens = std::min(*tokens, least_batch_tokens);
                    }});
  }
  if (input.compute_dtype == DType::f32)
    list.push_back({"--dtype bf16", [](auto& plan) { plan.compute_dtype = DType::bf16; }});
  if (input.in_device_memory && !input.offload_base)
    list.push_back({"--offload-base", [](auto& plan) { plan.offload_base = true; }});
  return list;
}

/// Full fine-tuning's plan as that of a chain with the default links.
MemoryPlanInput as_chain(const DecoderSpec& config, MemoryPlanInput input) {
  input.run.method = Method::cola;
  input.run.links.assign(2, {default_lora_r, default_lora_alpha});
  input.targets = select_target_modules(linear_names(config), default_target_modules(config));
  return input;
}

/// What would fit: each remedy that is enough alone, else all of them if they are together.
std::string advice(const DecoderSpec& config, MemoryPlanInput input, std::int64_t available) {
  const auto needed = [&] { return needed_bytes(input, plan_memory(config, input)); };
  std::string method;
  if (input.run.method == Method::full) {
    input = as_chain(config, input);
    if (needed() <= available) return fmt::format("--method cola or lora needs {}", format_bytes(needed()));
    method = "--method cola or lora with ";
  }
  const MemoryPlanInput as_asked = input;
  std::vector<std::string> enough;
  std::vector<std::string> all;
  for (const Remedy& remedy : remedies(as_asked)) {
    input = as_asked;
    remedy.apply(input);
    all.emplace_back(remedy.option);
    if (needed() <= available) enough.emplace_back(remedy.option);
  }
  if (!enough.empty()) return fmt::format("use {}{}", method, fmt::join(enough, ", or "));
  input = as_asked;
  for (const Remedy& remedy : remedies(as_asked)) remedy.apply(input);
  if (needed() <= available) return fmt::format("use {}{}", method, fmt::join(all, ", and "));
  return fmt::format("at least {} are needed whatever the options: use a smaller model",
                     format_bytes(needed()));
}

}  // namespace

void require_memory(const DecoderSpec& config, const MemoryPlanInput& input, const MemoryPlan& plan,
                    std::int64_t available) {
  const std::int64_t needed = needed_bytes(input, plan);
  if (needed <= available) return;
  const std::string who = input.in_device_memory || input.processes == 1
                              ? "this run needs"
                              : fmt::format("the {} processes here need", input.processes);
  throw Error(fmt::format("{} about {} of {}, {} are available\n{}", who, format_bytes(needed),
                          input.in_device_memory ? "the device's memory" : "memory", format_bytes(available),
                          advice(config, input, available)));
}

void require_host_memory(const MemoryPlanInput& input, const MemoryPlan& plan, std::int64_t available) {
  const std::int64_t needed = input.processes * plan.offloaded;
  if (needed <= available) return;
  throw Error(
      fmt::format("--offload-base needs {} of the host's memory, {} are available\nuse {}a smaller model",
                  format_bytes(needed), format_bytes(available),
                  input.compute_dtype == DType::f32 ? "--dtype bf16, or " : ""));
}

}  // namespace cola
