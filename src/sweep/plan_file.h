#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// The text of a plan with `settings` put in ("model=DIR", "train.epochs=1", "method.lora.optimizer=sgd") and
/// paths made absolute (files of tasks are relative to the plan's file, all others to the working directory),
/// keys sorted: what plan.toml of a sweep's folder holds. A value that is not TOML is a string. `where` is
/// the plan's file. Throws UsageError that begins with it: malformed TOML, a setting without "=" or a place.
[[nodiscard]] std::string resolve_plan(std::string_view text, const std::string& where,
                                       std::span<const std::string> settings);

/// Keys ("train.epochs", "method[0].learning-rate") in which two resolved plans differ.
[[nodiscard]] std::vector<std::string> differing_plan_keys(std::string_view first, std::string_view second);

}  // namespace cola
