#include "cli/theory_problems.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is POSIX's

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "cli/demo_files.h"
#include "core/error.h"
#include "data/dataset.h"
#include "eval/loaded_model.h"
#include "text/tokenizer.h"
#include "theory/linear_layer.h"
#include "theory/matrix_completion.h"
#include "theory/recorded_inputs.h"
#include "theory/sigmoid_regression.h"

namespace cola {
namespace {

// Large enough that the noise is not all there is of a gradient at T = 100, small enough that the batch of
// T = 10 breaks the bound at large T: docs/theory.md.
constexpr std::int64_t completion_batch = 10, sigmoid_batch = 4, layer_batch = 1;

constexpr std::int64_t layer_rows = 512, layer_classes = 16;
constexpr double layer_radius = 0.5;

class TemporaryDemoFolder {
 public:
  TemporaryDemoFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "cola-theory-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw Error(fmt::format("cannot create a temporary folder {}: {}", name, std::strerror(errno)));
    path_ = name;
    try {
      write_demo_files(path_);
    } catch (...) {
      remove();
      throw;
    }
  }
  ~TemporaryDemoFolder() { remove(); }
  TemporaryDemoFolder(const TemporaryDemoFolder&) = delete;
  TemporaryDemoFolder& operator=(const TemporaryDemoFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void remove() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path path_;
};

theory::LabelledInputs record_embedded_model() {
  const TemporaryDemoFolder demo;
  ops::Context context;
  ModelSource source;
  source.model = demo.path() / "model";
  source.dtype = "f32";
  source.device = "cpu";
  source.threads = 1;  // one pass over little text; the same numbers whatever the number of cores
  const LoadedModel loaded = load_model(source);
  const auto tokenizer = open_tokenizer(source.model);
  DataOptions options;
  options.max_length = loaded.model->spec().max_position_embeddings;
  options.train_on_prompt = true;
  options.append_eos = false;
  const Dataset text =
      read_dataset(demo.path() / "train.jsonl", tokenizer.get(), loaded.model->spec().vocab_size, options);
  return theory::record_query_inputs(context, *loaded.model, text.examples.all(), layer_rows, layer_classes);
}

}  // namespace

const std::vector<std::string>& theory_problem_names() {
  static const std::vector<std::string> names{"matrix-completion", "sigmoid-regression", "linear-layer"};
  return names;
}

TheoryProblem make_theory_problem(const std::string& name, std::uint64_t seed) {
  if (name == "matrix-completion") return {theory::make_matrix_completion({}, seed), completion_batch};
  if (name == "sigmoid-regression") return {theory::make_sigmoid_regression({}, seed), sigmoid_batch};
  if (name == "linear-layer")
    return {theory::make_linear_layer(record_embedded_model(), layer_radius), layer_batch};
  throw UsageError(
      fmt::format("--problem '{}' is not one of: {}", name, fmt::join(theory_problem_names(), ", ")));
}

}  // namespace cola
