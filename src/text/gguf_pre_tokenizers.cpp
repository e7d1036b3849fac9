#include "text/gguf_pre_tokenizers.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "text/byte_level.h"
#include "text/known_patterns.h"
#include "text/normalizer.h"

namespace cola {
namespace {

constexpr std::string_view llama3_pattern =
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen2_pattern =
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view deepseek_pattern =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
    "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view deepseek_cjk_pattern = "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";
constexpr std::string_view asian_pattern = "[[\u0800-\u9FA5\uAC00-\uD7FF]&&[^\\s]]+";
constexpr std::string_view bloom_pattern =
    " ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+";  // a parenthesis, too

/// src/llama-vocab.cpp and src/unicode.cpp of llama.cpp 0.5.0-dev, written for Oniguruma: a letter that is
/// not a-z is [\p{L}&&[^a-z]], \d is [0-9]. Left out are names whose texts are not cut by expressions
/// (kimi-k2, afmoe, tiny_aya), whose tokens are not in the byte alphabet (gemma4, sarvam-moe, whitespace) or
/// that embed texts (those of jina and roberta).
constexpr std::array pre_tokenizers{
    GgufPreTokenizer{"gpt-2 phi-2 mpt olmo jais trillion granite-docling gigachat a.x-4.0 mellum "
                     "modern-bert exaone4",
                     {gpt2_pattern}},
    GgufPreTokenizer{"smollm refact starcoder command-r codeshell exaone minerva-7b mellum2",
                     {R"(\p{N})", gpt2_pattern}},
    GgufPreTokenizer{"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
                     {llama3_pattern},
                     /*ignore_merges=*/true,
                     /*add_bos=*/true},
    GgufPreTokenizer{"dbrx smaug-bpe", {llama3_pattern}},
    GgufPreTokenizer{"glm4 glm5",
                     {llama3_pattern},
                     /*ignore_merges=*/true,
                     /*add_bos=*/false,
                     /*has_bos=*/false},
    GgufPreTokenizer{"chatglm-bpe",
                     {llama3_pattern},
                     /*ignore_merges=*/false,
                     /*add_bos=*/false,
                     /*has_bos=*/false},
    GgufPreTokenizer{"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2",
                     {qwen2_pattern}},
    GgufPreTokenizer{
        "qwen35",
        {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    GgufPreTokenizer{
        "tekken",
        {R"([^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]*[\p{L}&&[^A-Z]]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]+[\p{L}&&[^A-Z]]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
        /*ignore_merges=*/true,
        /*add_bos=*/true},
    GgufPreTokenizer{
        "gpt-4o llama4 kanana2 talkie minimax-m2",
        {R"([^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]*[\p{L}&&[^A-Z]]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]+[\p{L}&&[^A-Z]]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    GgufPreTokenizer{
        "granite-embed-multi-97m",
        {R"([^\r\n\p{L}\p{N}]?[[\p{L}\p{M}]&&[^a-z]]*[[\p{L}\p{M}]&&[^A-Z]]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?[[\p{L}\p{M}]&&[^a-z]]+[[\p{L}\p{M}]&&[^A-Z]]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
        /*ignore_merges=*/true},
    GgufPreTokenizer{"deepseek-v3 hunyuan-dense joyai-llm hy_v4",
                     {R"(\p{N}{1,3})", deepseek_cjk_pattern, deepseek_pattern}},
    GgufPreTokenizer{
        "spark2_5",
        {R"(\p{N}{1,3})", deepseek_cjk_pattern,
         "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
         "?[\\p{P}\\p{S}]+|[\r\n]|\\s+(?!\\S)|\\s+",
         R"(\p{N})"}},
    GgufPreTokenizer{"deepseek-coder", {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", asian_pattern, R"(\p{N})"}},
    GgufPreTokenizer{"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", gpt2_pattern, "[0-9][0-9][0-9]"}},
    GgufPreTokenizer{"default", {R"([\p{P}\$\+<=>\^~\|]+)", gpt2_pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
    GgufPreTokenizer{
        "jais-2",
        {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"}},
    GgufPreTokenizer{"poro-chat bloom gpt3-finnish", {bloom_pattern}},
    GgufPreTokenizer{"viking", {bloom_pattern, R"(\p{N})"}},
    GgufPreTokenizer{
        "youtu",
        {"[\uAC00-\uD7A3\u3131-\u318E]+|[\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-"
         "\u303F\uFE30-\uFE4F]+|"
         "[\u3105-\u312F]+|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
         R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
        /*ignore_merges=*/true},
    GgufPreTokenizer{"chameleon",
                     {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", R"(([\t\n]|    |  ))",
                      R"(\p{N})", R"([\p{P}!-/:-@\[-`{-~])", gpt2_pattern},
                     /*ignore_merges=*/false,
                     /*add_bos=*/true},
    GgufPreTokenizer{"superbpe", {R"(\p{N}+)", "(?=([0-9]{3})+(?![0-9]))"}},
    GgufPreTokenizer{
        "bailingmoe bailingmoe2 llada-moe",
        {R"('(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"}},
    GgufPreTokenizer{
        "seed-coder",
        {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    GgufPreTokenizer{
        "ufakzeka", {R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    GgufPreTokenizer{"laguna", {R"([^\n]+|[\n]+)", qwen2_pattern}},
    GgufPreTokenizer{
        "exaone-moe",
        {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"}},
    GgufPreTokenizer{
        "minicpm5",
        {R"(\p{N}{1,3})",
         R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
        /*ignore_merges=*/true},
};

/// What published expressions have in place of what llama.cpp has.
struct Spelling {
  std::string_view published;
  std::string_view ours;
  std::string_view remark;  ///< where they are not the same
};

constexpr std::string_view cases_remark =
    "llama.cpp tells capital from small letters in A-Z alone and counts no combining marks to a word: there "
    "some texts in other scripts get other ids";
constexpr std::array spellings{
    Spelling{"(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", ""},
    Spelling{R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])", R"([\p{L}&&[^a-z]])", cases_remark},
    Spelling{R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])", R"([\p{L}&&[^A-Z]])", cases_remark},
    Spelling{"[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", asian_pattern, ""},
    Spelling{digits_pattern, R"(\p{N})", ""},
};

bool has_name(const GgufPreTokenizer& known, std::string_view name) {
  std::string_view names = known.names;
  while (!names.empty()) {
    const std::size_t space = std::min(names.find(' '), names.size());
    if (names.substr(0, space) == name) return true;
    names.remove_prefix(std::min(space + 1, names.size()));
  }
  return false;
}

}  // namespace

const GgufPreTokenizer& gguf_pre_tokenizer(std::string_view name, const std::string& where) {
  const auto* const known = std::ranges::find_if(
      pre_tokenizers, [&](const GgufPreTokenizer& entry) { return has_name(entry, name); });
  if (known == pre_tokenizers.end())
    throw Error(fmt::format("{}: tokenizer.ggml.pre: unknown pre-tokenizer type: {:?}", where, name));
  return *known;
}

std::span<const std::string_view> expressions_of(const GgufPreTokenizer& pre_tokenizer) {
  const auto& all = pre_tokenizer.expressions;
  return std::span(all).first(static_cast<std::size_t>(std::ranges::find(all, "") - all.begin()));
}

std::string_view gguf_pre_name(std::span<const std::string> expressions, bool ignore_merges,
                               std::string& remark) {
  std::vector<std::string> ours(expressions.begin(), expressions.end());
  remark.clear();
  for (std::string& expression : ours) {
    for (const Spelling& spelling : spellings) {
      std::string changed = replace_all(expression, spelling.published, spelling.ours);
      if (changed != expression && !spelling.remark.empty()) remark = spelling.remark;
      expression = std::move(changed);
    }
  }
  for (const GgufPreTokenizer& known : pre_tokenizers) {
    if (known.ignore_merges == ignore_merges && std::ranges::equal(expressions_of(known), ours))
      return known.names.substr(0, known.names.find(' '));
  }
  return "";
}

}  // namespace cola
