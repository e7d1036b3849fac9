#include "text/token_decoder.h"

#include <algorithm>
#include <charconv>

#include "text/byte_level.h"
#include "text/normalizer.h"
#include "text/utf8.h"

namespace cola {

namespace {

using Tokens = std::vector<std::string>;

void apply(const TokenDecoder::Replace& step, Tokens& tokens) {
  for (std::string& token : tokens) token = replace_all(token, step.from, step.to);
}

void apply(const TokenDecoder::Fuse& /*step*/, Tokens& tokens) {
  std::string all;
  for (const std::string& token : tokens) all += token;
  tokens.clear();
  tokens.push_back(std::move(all));
}

void apply(const TokenDecoder::ByteFallback& /*step*/, Tokens& tokens) {
  Tokens out;
  std::string bytes;
  const auto give_bytes = [&] {
    if (bytes.empty()) return;
    std::string text;
    for (std::size_t position = 0; position < bytes.size();) {
      const Utf8Step step = utf8_step(bytes, position);
      if (!step.valid) {
        text.clear();
        for (std::size_t i = 0; i < bytes.size(); ++i) append_utf8(text, step.code_point);
        break;
      }
      text.append(bytes, position, step.length);
      position += step.length;
    }
    out.push_back(std::move(text));
    bytes.clear();
  };
  for (std::string& token : tokens) {
    const int byte = byte_of_token(token);
    if (byte >= 0) {
      bytes.push_back(static_cast<char>(byte));
    } else {
      give_bytes();
      out.push_back(std::move(token));
    }
  }
  give_bytes();
  tokens = std::move(out);
}

void apply(const TokenDecoder::Strip& step, Tokens& tokens) {
  const std::size_t length = step.content.size();
  for (std::string& token : tokens) {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < step.start && token.compare(begin, length, step.content) == 0; ++i)
      begin += length;
    std::size_t end = token.size();
    for (std::size_t i = 0; i < step.stop && end - begin >= length; ++i) {
      if (token.compare(end - length, length, step.content) != 0) break;
      end -= length;
    }
    token = token.substr(begin, end - begin);
  }
}

void apply(const TokenDecoder::ByteLevel& /*step*/, Tokens& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) append_token_bytes(bytes, token);
  tokens.assign(1, replace_invalid_utf8(bytes));
}

void apply(const TokenDecoder::Metaspace& step, Tokens& tokens) {
  if (step.strip_first && !tokens.empty() && tokens.front().starts_with(step.replacement)) {
    tokens.front().erase(0, step.replacement.size());
  }
  for (std::string& token : tokens) token = replace_all(token, step.replacement, " ");
}

}  // namespace

int byte_of_token(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return -1;
  int byte = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  return error == std::errc() && end == token.data() + 5 && byte >= 0 ? byte : -1;
}

std::string bytes_of_token(const std::string& token) {
  const int byte = byte_of_token(token);
  return byte >= 0 ? std::string(1, static_cast<char>(byte)) : replace_all(token, "\u2581", " ");
}

bool TokenDecoder::has_byte_level() const {
  return std::ranges::any_of(steps_,
                             [](const Step& step) { return std::holds_alternative<ByteLevel>(step); });
}

std::string TokenDecoder::operator()(std::vector<std::string> tokens) const {
  for (const Step& step : steps_) {
    std::visit([&](const auto& known) { apply(known, tokens); }, step);
  }
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && steps_.empty()) text += ' ';
    text += tokens[i];
  }
  return text;
}

}  // namespace cola
