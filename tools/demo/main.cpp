// cola_demo_text DIR: writes everything that the demo's model and task are made from (docs/demo.md), the same
// bytes on every machine:
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
bool for_dev(const Fact& fact) { return (fact.object + fact.colour) % 5 == 0; }

void write_task(const std::filesystem::path& folder, std::size_t train_count, std::size_t dev_count) {
  RandomStream random = stream(task_stream);
  struct Part {
    std::size_t wanted, items = 0;
    std::string lines = {};
  };
  Part train{train_count}, dev{dev_count};
  std::set<std::string> prompts;
  while (train.items < train.wanted || dev.items < dev.wanted) {
    const Fact fact = draw_fact(random);
    Part& part = for_dev(fact) ? dev : train;
    const std::string prompt = colour_prompt(fact);
    if (part.items == part.wanted || !prompts.insert(prompt).second) continue;
    ++part.items;
    part.lines +=
        Json{{"prompt", prompt}, {"completion", " " + colours()[renamed(fact.colour)]}}.dump() + "\n";
  }
  write_text_file(folder / "train.jsonl", train.lines);
  write_text_file(folder / "dev.jsonl", dev.lines);
}

void write_all(const std::filesystem::path& folder) {
  write_model(folder / "model");
  write_stories(folder / "stories.jsonl", stories_stream, 40000);
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
