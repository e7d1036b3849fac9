#include "tokenizer_files.h"

#include <set>

#include "io/files.h"
#include "io/json.h"
#include "text/byte_level.h"

namespace cola::demo {

std::size_t write_tokenizer(const std::filesystem::path& folder, const std::vector<std::string>& words) {
  std::vector<std::string> tokens{"<s>", "<pad>", "</s>", "<unk>"};  // OPT's ids 0 to 3
  for (int byte = 0; byte < 256; ++byte)
    tokens.push_back(bytes_to_characters(std::string(1, static_cast<char>(byte))));
  std::string merges = "#version: 0.2\n";
  std::set<std::string> made;
  const std::string space = bytes_to_characters(" ");
  for (const std::string& word : words) {
    std::string prefix = space;
    for (const char letter : word) {
      const std::string longer = prefix + letter;
      if (made.insert(longer).second) {
        merges += prefix + " " + letter + "\n";
        tokens.push_back(longer);
      }
      prefix = longer;
    }
  }
  Json vocabulary = Json::object();
  for (std::size_t id = 0; id < tokens.size(); ++id) vocabulary[tokens[id]] = id;
  const Json config{{"tokenizer_class", "GPT2Tokenizer"},
                    {"add_prefix_space", true},
                    {"add_bos_token", true},
                    {"bos_token", "</s>"},
                    {"eos_token", "</s>"},
                    {"unk_token", "</s>"},
                    {"pad_token", "<pad>"}};
  write_text_file(folder / "vocab.json", vocabulary.dump(0) + "\n");
  write_text_file(folder / "merges.txt", merges);
  write_text_file(folder / "tokenizer_config.json", config.dump(2) + "\n");
  return tokens.size();
}

}  // namespace cola::demo
