// cola_demo_text DIR: writes everything that the demo's model and task are made from (docs/demo.md), the same bytes on
// every machine:
//   DIR/model/        config.json and tokenizer, for cola init
//   DIR/stories.jsonl, DIR/stories_dev.jsonl    pre-training texts
//   DIR/train.jsonl, DIR/dev.jsonl              the task
#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/random.h"
#include "io/files.h"
#include "io/json.h"
#include "stories.h"
#include "tokenizer_files.h"

namespace cola::demo {
namespace {

constexpr std::uint64_t seed = 1;
enum Stream : std::uint64_t { stories_stream = 1, stories_dev_stream, task_stream };

RandomStream stream(Stream number) { return {seed, RandomPurpose::sampling, number}; }

void write_model(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const std::size_t vocabulary = write_tokenizer(folder, all_words());
  const Json config{{"model_type", "opt"},
                    {"architectures", {"OPTForCausalLM"}},
                    {"activation_function", "relu"},
                    {"vocab_size", (vocabulary + 7) / 8 * 8},
                    {"hidden_size", 128},
                    {"word_embed_proj_dim", 128},
                    {"ffn_dim", 512},
                    {"num_hidden_layers", 2},
                    {"num_attention_heads", 4},
                    {"max_position_embeddings", 128},
                    {"do_layer_norm_before", true},
                    {"dropout", 0.0},
                    {"torch_dtype", "float32"},
                    {"bos_token_id", 2},
                    {"eos_token_id", 2},
                    {"pad_token_id", 1}};
  write_text_file(folder / "config.json", config.dump(2) + "\n");
}

void write_stories(const std::filesystem::path& file, Stream number, int count) {
  RandomStream random = stream(number);
  std::string lines;
  for (int i = 0; i < count; ++i) lines += Json{{"text", story(random)}}.dump() + "\n";
  write_text_file(file, lines);
}

/// Dev items ask about pairs of colour and object that no training item asks about (a fifth of all pairs).
bool for_dev(const Item& item) { return (item.object + item.colour) % 5 == 0; }

void write_task(const std::filesystem::path& folder, std::size_t train_count, std::size_t dev_count) {
  RandomStream random = stream(task_stream);
  std::string train, dev;
  std::size_t train_items = 0, dev_items = 0;
  while (train_items < train_count || dev_items < dev_count) {
    const Item item = colour_item(random);
    const bool is_dev = for_dev(item);
    std::size_t& items = is_dev ? dev_items : train_items;
    if (items == (is_dev ? dev_count : train_count)) continue;
    ++items;
    const Json line{{"prompt", item.prompt}, {"completion", " " + colours()[renamed(item.colour)]}};
    (is_dev ? dev : train) += line.dump() + "\n";
  }
  write_text_file(folder / "train.jsonl", train);
  write_text_file(folder / "dev.jsonl", dev);
}

void write_all(const std::filesystem::path& folder) {
  write_model(folder / "model");
  write_stories(folder / "stories.jsonl", stories_stream, 60000);
  write_stories(folder / "stories_dev.jsonl", stories_dev_stream, 200);
  write_task(folder, 1000, 240);
}

}  // namespace
}  // namespace cola::demo

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw cola::UsageError("usage: cola_demo_text DIR");
    cola::demo::write_all(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "cola_demo_text: error: {}\n", error.what());
    return 1;
  }
}
