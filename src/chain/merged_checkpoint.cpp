#include "chain/merged_checkpoint.h"

#include "core/rounding.h"
#include "io/files.h"
#include "io/gguf/gguf_file.h"

namespace cola {

MergeReport write_merged_checkpoint(ops::Context& context, const std::filesystem::path& model,
                                    std::vector<Link> links, const MergeOptions& options,
                                    const std::filesystem::path& out) {
  MergedModel merged(context, model, std::move(links));
  std::optional<DType> dtype = options.dtype;
  if (!dtype && is_gguf_file(model)) dtype = folder_dtype_of_gguf(merged.dtype_in_file());
  write_folder(out, [&](const std::filesystem::path& folder) {
    write_huggingface_folder(
        folder, model, merged.weights(), dtype, "--merge-dtype", options.max_shard_bytes,
        [&](const Parameter& parameter, std::span<float> values) {
          merged.read(parameter, values);
          if (merged.changes(parameter)) {
            merged.add_rounding_error(
                parameter,
                squared_rounding_error(values, dtype.value_or(merged.weights().file_dtype(parameter))));
          }
        });
    write_chat_files(folder, options.chat);
  });
  MergeReport report = merged.report();
  report.dtype = report.changed_dtype = dtype.value_or(merged.dtype_in_file());
  return report;
}

}  // namespace cola
