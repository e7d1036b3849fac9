#pragma once
#include <toml++/toml.h>

#include <string>
#include <vector>

#include "cola/train.h"
#include "sweep/problems.h"

namespace cola {

/// One option of a grid and the values it takes.
struct GridAxis {
  std::string option;
  std::vector<toml::table> values;  ///< each with the option as its only key
  std::vector<std::string> texts;
};

/// Options of a plan, with the values that are fixed told from the grid's.
struct OptionGrid {
  toml::table fixed;
  std::vector<GridAxis> axes;  ///< in the order of the options' documentation
};

/// Whether `cola train` has an option of that name which a plan may set.
[[nodiscard]] bool is_plan_option(const std::string& name);

/// Adds to `problems` every key that is no option or that the sweep sets itself; `where` begins the messages.
void check_option_names(const toml::table& options, const std::string& where, Problems& problems);

/// A list is a grid; for options that are lists themselves (ranks) a list of texts ("8,6") or of lists is.
[[nodiscard]] OptionGrid split_grid(const toml::table& options, const std::string& where, Problems& problems);

/// Sets options from the keys of `values`; a value of the wrong type goes to `problems`.
void set_options(const toml::table& values, const std::string& where, TrainOptions& options,
                 Problems& problems);

}  // namespace cola
