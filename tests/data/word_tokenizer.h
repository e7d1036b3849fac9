#pragma once
#include <cctype>
#include <map>
#include <string>

#include "text/tokenizer.h"

namespace cola {

/// A tokenizer for tests: a run of letters is one token, whatever its length, every other character is one.
/// So "ab" after "x" merges into one token "xab", as merges of a real tokenizer cross borders. Ids are given
/// in the order seen, from 10; "<s>" is BOS, 1, "</s>" EOS, 2.
class WordTokenizer : public Tokenizer {
 public:
  WordTokenizer() {
    special_.bos = 1;
    special_.eos = 2;
    special_.ends = {2};
    special_.add_bos = true;
  }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids;
    for (std::size_t begin = 0; begin < text.size();) {
      if (const std::int32_t special = special_at(text.substr(begin)); special > 0) {
        ids.push_back(special);
        begin += piece(special).size();
        continue;
      }
      std::size_t end = begin + 1;
      if (is_letter(text[begin])) {
        while (end < text.size() && is_letter(text[end])) ++end;
      }
      ids.push_back(id(std::string(text.substr(begin, end - begin))));
      begin = end;
    }
    return ids;
  }
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool /*skip_special*/) const override {
    std::string text;
    for (const std::int32_t id : ids) text += piece(id);
    return text;
  }
  [[nodiscard]] std::string piece(std::int32_t id) const override {
    if (id == 1) return "<s>";
    if (id == 2) return "</s>";
    for (const auto& [word, number] : ids_) {
      if (number == id) return word;
    }
    return "?";
  }
  [[nodiscard]] TokenText text_of(std::int32_t id) const override {
    return {.bytes = piece(id), .added = id == 1 || id == 2};
  }
  [[nodiscard]] std::int64_t vocabulary_size() const override { return 1000; }
  [[nodiscard]] const SpecialTokens& special() const override { return special_; }

  SpecialTokens special_;

 private:
  static std::int32_t special_at(std::string_view text) {
    if (text.starts_with("<s>")) return 1;
    return text.starts_with("</s>") ? 2 : 0;
  }
  static bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
  std::int32_t id(const std::string& word) const {
    return ids_.emplace(word, static_cast<std::int32_t>(10 + ids_.size())).first->second;
  }
  mutable std::map<std::string, std::int32_t> ids_;
};

}  // namespace cola
